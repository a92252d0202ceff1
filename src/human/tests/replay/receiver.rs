use std::collections::BTreeMap;
use std::time::Duration;

use http::Uri;

use crate::human::{DELIVERY_TIMEOUT, DeliveryOutcome};

/// The ports on which the scripts' receivers listened.
const PORTS: [u16; 3] = [17_210, 17_215, 17_216];

/// The recording scripts' webhook receiver: the path says how it answers.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    seen: BTreeMap<String, u64>,
}

impl Receiver {
    /// How a delivery goes, and how long that takes.
    pub(super) fn answer(&mut self, uri: &Uri) -> (Duration, DeliveryOutcome) {
        // What a delivery took on the machine of the recordings.
        let usual = Duration::from_millis(45);
        let failed = |text: &str| (usual, DeliveryOutcome::Failed(text.to_owned()));
        if uri.host().is_some_and(|host| host.ends_with(".invalid")) {
            return failed("ConnectError: [Errno -2] Name or service not known");
        }
        if !uri.port_u16().is_some_and(|port| PORTS.contains(&port)) {
            return failed("ConnectError: All connection attempts failed");
        }
        let seen = self.seen.entry(uri.path().to_owned()).or_default();
        *seen += 1;
        let mut steps = uri.path().split('/').skip(1);
        let kind = steps.next().unwrap_or_default();
        let number: u64 = steps.next().and_then(|step| step.parse().ok()).unwrap_or_default();
        let answered = |status: u64| (usual, DeliveryOutcome::Answered(u16::try_from(status).unwrap()));
        match kind {
            "status" | "redirect" => answered(number),
            "flaky" => answered(if *seen <= number { 503 } else { 200 }),
            "slow" if Duration::from_secs(number) > DELIVERY_TIMEOUT => {
                (DELIVERY_TIMEOUT, DeliveryOutcome::Failed("ReadTimeout: ".to_owned()))
            }
            "slow" => (Duration::from_secs(number), DeliveryOutcome::Answered(200)),
            "close" => failed("RemoteProtocolError: Server disconnected without sending a response."),
            "garbage" => failed("RemoteProtocolError: illegal status line: bytearray(b'NOT HTTP AT ALL')"),
            _ => answered(200),
        }
    }
}
