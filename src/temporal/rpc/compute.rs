//! Compute configurations of deployment versions: who starts workers for them.
//!
//! No provider of compute is here, as on a real server without one. What doesn't depend on one answers as there.

use temporalio_protos::temporal::api::workflowservice::v1 as wire;

use super::Answer;
use crate::temporal::engine::{Call, Engine};
use crate::temporal::reject::Reject;

pub(super) fn update_config(
    engine: &mut Engine,
    call: &Call<'_>,
    request: wire::UpdateWorkerDeploymentVersionComputeConfigRequest,
) -> Result<Answer<wire::UpdateWorkerDeploymentVersionComputeConfigResponse>, Reject> {
    let version = request.deployment_version.unwrap_or_default();
    if version.deployment_name.is_empty() {
        return invalid("deployment name cannot be empty");
    }
    if version.build_id.is_empty() {
        return invalid("build ID cannot be empty");
    }
    engine.namespaces.require(&request.namespace)?;
    let is_known = engine
        .deployment(call.now, &request.namespace, &version.deployment_name)
        .is_some_and(|deployment| deployment.version(&version.build_id).is_some());
    if !is_known {
        return Err(Reject::NotFound(format!(
            "build ID '{}' not found in Worker Deployment '{}'",
            version.build_id, version.deployment_name
        )));
    }
    refuse(request.compute_config_scaling_groups.is_empty())
}

pub(super) fn validate_config(
    engine: &mut Engine,
    _: &Call<'_>,
    request: wire::ValidateWorkerDeploymentVersionComputeConfigRequest,
) -> Result<Answer<wire::ValidateWorkerDeploymentVersionComputeConfigResponse>, Reject> {
    engine.namespaces.require(&request.namespace)?;
    refuse(request.compute_config_scaling_groups.is_empty())
}

fn refuse<T>(adds_nothing: bool) -> Result<Answer<T>, Reject> {
    match adds_nothing {
        true => invalid(
            "No prior compute config found, which means nothing can be removed and something needs to be added to be valid",
        ),
        false => Err(Reject::Unimplemented(
            "awaithumans-testkit has no provider of compute: start the workers yourself".to_owned(),
        )),
    }
}

fn invalid<T>(why: &str) -> Result<Answer<T>, Reject> {
    Err(Reject::InvalidArgument(why.to_owned()))
}
