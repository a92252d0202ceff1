//! What has happened.

use awaithumans_testkit::serve::Time;
use serde_json::json;

use super::{control, create};
use crate::serve::served;

#[tokio::test]
async fn the_journal_is_read_from_where_one_left_off() {
    let ready = served(Time::Manual).await;
    create(&ready, "first", &json!({})).await;
    let (_, page) = control(&ready, "GET", "/journal", "").await;
    assert_eq!(page["entries"][0]["party"], "awaithumans");
    assert!(
        page["entries"][0]["what"].as_str().unwrap().contains("Refund first?"),
        "{page}"
    );
    let next = page["next"].as_u64().unwrap();
    create(&ready, "second", &json!({})).await;
    let (_, page) = control(&ready, "GET", &format!("/journal?since={next}"), "").await;
    assert_eq!(page["entries"][0]["number"], next);
    assert!(
        page["entries"][0]["what"].as_str().unwrap().contains("Refund second?"),
        "{page}"
    );
    let (_, page) = control(&ready, "GET", "/journal?since=18446744073709551615", "").await;
    assert_eq!((&page["entries"], &page["more"]), (&json!([]), &json!(false)));
}
