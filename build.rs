//! Hands on where temporalio-protos has put the descriptors of Temporal's API.

fn main() {
    println!("cargo:rerun-if-env-changed=DEP_TEMPORALIO_PROTOS_DESCRIPTOR_PATH");
    let path = std::env::var("DEP_TEMPORALIO_PROTOS_DESCRIPTOR_PATH")
        .expect("temporalio-protos tells its direct dependents where its descriptor set is");
    println!("cargo:rustc-env=TEMPORAL_DESCRIPTOR_PATH={path}");
}
