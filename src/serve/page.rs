//! The port for people: a page that says what is where. The control API hangs below `/_testkit/v1` once it is there.

use axum::Router;
use axum::response::Html;
use axum::routing::get;

use super::Ready;

/// Everything on this port.
pub(super) fn router(ready: &Ready) -> Router {
    let page = Html(page(ready));
    Router::new().route("/", get(async move || page))
}

fn page(ready: &Ready) -> String {
    let Ready {
        temporal,
        awaithumans,
        seed,
        ..
    } = ready;
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>awaithumans-testkit</title>\n\
         <h1>awaithumans-testkit</h1>\n<ul>\n\
         <li>Temporal, gRPC: <code>{temporal}</code></li>\n\
         <li>awaithumans, HTTP: <code>{awaithumans}</code></li>\n\
         <li>seed: <code>{seed}</code></li>\n</ul>\n</html>\n"
    )
}
