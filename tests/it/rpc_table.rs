//! The RPC table against the API's own descriptors, and against what SUPPORT.md says.

use std::fmt::Write as _;

use awaithumans_testkit::{Rpc, Support, table};
use prost_reflect::DescriptorPool;

const SERVICES: [&str; 3] = [
    "temporal.api.workflowservice.v1.WorkflowService",
    "temporal.api.operatorservice.v1.OperatorService",
    "temporal.api.testservice.v1.TestService",
];

const FILE: &str = "SUPPORT.md";
const BEGIN: &str =
    "<!-- begin of the RPC table: written by `UPDATE_SUPPORT_TABLE=1 cargo test --test it rpc_table` -->\n";
const END: &str = "<!-- end of the RPC table -->\n";

#[test]
fn every_rpc_of_temporals_services_has_its_line_and_nothing_else_has() {
    let pool = DescriptorPool::decode(include_bytes!(env!("TEMPORAL_DESCRIPTOR_PATH")).as_slice()).unwrap();
    let mut defined = Vec::new();
    for service in SERVICES {
        let service = pool.get_service_by_name(service).unwrap();
        defined.extend(service.methods().map(|method| method.full_name().to_owned()));
    }
    let ours: Vec<String> = table().iter().map(full_name).collect();
    let missing: Vec<_> = defined.iter().filter(|name| !ours.contains(name)).collect();
    let unknown: Vec<_> = ours.iter().filter(|name| !defined.contains(name)).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "missing: {missing:#?}\nunknown: {unknown:#?}"
    );
    assert_eq!(
        ours, defined,
        "the table keeps the order of Temporal's own definitions, each RPC once"
    );
}

#[test]
fn the_support_table_is_up_to_date() {
    let path = format!("{}/{FILE}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text
        .split_once(BEGIN)
        .expect("SUPPORT.md has the line that begins the table");
    let (written, after) = rest
        .split_once(END)
        .expect("SUPPORT.md has the line that ends the table");
    let current = support_table();
    if std::env::var_os("UPDATE_SUPPORT_TABLE").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{current}{END}{after}")).unwrap();
    } else {
        assert!(
            written == current,
            "{FILE} is out of date: UPDATE_SUPPORT_TABLE=1 cargo test --test it rpc_table\n{current}"
        );
    }
}

fn full_name(rpc: &Rpc) -> String {
    format!("{}.{}", rpc.service(), rpc.method())
}

/// One section for each service: what is served, then what Temporal's own server refuses.
fn support_table() -> String {
    let mut out = String::new();
    for service in SERVICES {
        let rpcs: Vec<_> = table().iter().filter(|rpc| rpc.service() == service).collect();
        let served: Vec<_> = rpcs.iter().filter(|rpc| rpc.support() == Support::Served).collect();
        let short = service.rsplit('.').next().unwrap_or(service);
        writeln!(out, "\n### {short}: {} of {} RPCs\n", served.len(), rpcs.len()).unwrap();
        writeln!(out, "| RPC | |\n|---|---|").unwrap();
        for rpc in served {
            writeln!(out, "| {} | served |", rpc.method()).unwrap();
        }
        for rpc in rpcs {
            if let Support::Refused(words) = rpc.support() {
                writeln!(
                    out,
                    "| {} | refused, as by Temporal's own server: {words} |",
                    rpc.method()
                )
                .unwrap();
            }
        }
    }
    out.push('\n');
    out
}
