//! Versions of workers: a deployment's name and a build id, and the two ways in which texts spell them.

use temporalio_protos::temporal::api::deployment::v1 as wire;

use crate::temporal::config::DynamicConfig;
use crate::temporal::reject::Reject;

/// What stands for "no version" where a version is a text.
pub(crate) const UNVERSIONED: &str = "__unversioned__";

/// The prefix of the ids of Temporal's own workflows for versions, which takes its part of the longest id.
const VERSION_WORKFLOW_PREFIX: &str = "temporal-sys-worker-deployment-version:";

/// The prefix of the ids of Temporal's own workflows for deployments, which some refusals name.
const DEPLOYMENT_WORKFLOW_PREFIX: &str = "temporal-sys-worker-deployment:";

/// One version of a worker deployment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) deployment: String,
    pub(crate) build_id: String,
}

impl Version {
    pub(crate) fn new(deployment: &str, build_id: &str) -> Self {
        Self {
            deployment: deployment.to_owned(),
            build_id: build_id.to_owned(),
        }
    }

    pub(crate) fn from_wire(wire: &wire::WorkerDeploymentVersion) -> Self {
        Self::new(&wire.deployment_name, &wire.build_id)
    }

    pub(crate) fn to_wire(&self) -> wire::WorkerDeploymentVersion {
        wire::WorkerDeploymentVersion {
            build_id: self.build_id.clone(),
            deployment_name: self.deployment.clone(),
        }
    }

    /// As the deprecated text fields of the API spell it.
    pub(crate) fn dotted(&self) -> String {
        format!("{}.{}", self.deployment, self.build_id)
    }

    /// As messages and search attributes spell it.
    pub(crate) fn colon(&self) -> String {
        format!("{}:{}", self.deployment, self.build_id)
    }

    /// From a deprecated text field; `None` means unversioned. Such fields take both delimiters, the first that comes counts.
    ///
    /// A text with a colon and no dot at all is refused, as Temporal does (`WorkerDeploymentVersionFromStringV31`).
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, String> {
        if text == UNVERSIONED {
            return Ok(None);
        }
        let by_dot = text.split_once('.');
        let by_colon = text.split_once(':');
        let (deployment, build_id) = match (by_dot, by_colon) {
            (None, None) => {
                return Err(format!(
                    "expected delimiter ':' or '.' not found in version string {text}"
                ));
            }
            (Some(dot), Some(colon)) if colon.0.len() < dot.0.len() => colon,
            (Some(dot), _) => dot,
            (None, Some(_)) => (text, ""),
        };
        if deployment.is_empty() {
            return Err(format!("deployment name is empty in version string {text}"));
        }
        if build_id.is_empty() {
            return Err(format!("build id is empty in version string {text}"));
        }
        Ok(Some(Self::new(deployment, build_id)))
    }

    /// The id of the workflow that a real server keeps for it.
    pub(crate) fn workflow_id(&self) -> String {
        format!("{VERSION_WORKFLOW_PREFIX}{}", self.colon())
    }
}

/// The id of the workflow that a real server keeps for a deployment.
pub(crate) fn deployment_workflow_id(deployment: &str) -> String {
    format!("{DEPLOYMENT_WORKFLOW_PREFIX}{deployment}")
}

/// As the deprecated text fields spell a version or its absence.
pub(crate) fn dotted(version: Option<&Version>) -> String {
    version.map_or_else(|| UNVERSIONED.to_owned(), Version::dotted)
}

/// Refuses a name that no deployment can have.
pub(crate) fn check_deployment_name(config: &DynamicConfig, name: &str) -> Result<(), Reject> {
    check_size(config, "WorkerDeploymentName", name)?;
    for delimiter in ['.', ':'] {
        if name.contains(delimiter) {
            return Err(Reject::InvalidArgument(format!(
                "worker deployment name cannot contain '{delimiter}'"
            )));
        }
    }
    check_prefix("WorkerDeploymentName", name)
}

/// Refuses a build id that no version can have.
pub(crate) fn check_build_id(config: &DynamicConfig, build_id: &str) -> Result<(), Reject> {
    check_size(config, "BuildID", build_id)?;
    check_prefix("BuildID", build_id)
}

fn check_size(config: &DynamicConfig, field: &str, value: &str) -> Result<(), Reject> {
    if value.is_empty() {
        return Err(Reject::InvalidArgument(format!("{field} cannot be empty")));
    }
    if value.len() > config.id_bytes.saturating_sub(VERSION_WORKFLOW_PREFIX.len()) / 2 {
        return Err(Reject::InvalidArgument(format!(
            "size of {field} larger than the maximum allowed"
        )));
    }
    Ok(())
}

fn check_prefix(field: &str, value: &str) -> Result<(), Reject> {
    match value.starts_with("__") {
        true => Err(Reject::InvalidArgument(format!("{field} cannot start with '__'"))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Version {
        Version::parse(text).unwrap().unwrap()
    }

    #[test]
    fn texts_of_versions_are_split_at_the_delimiter_that_comes_first() {
        assert_eq!(Version::parse(UNVERSIONED), Ok(None));
        assert_eq!(parsed("app.1.0"), Version::new("app", "1.0"));
        assert_eq!(parsed("app.1:0"), Version::new("app", "1:0"));
        assert_eq!(parsed("app:1.0"), Version::new("app", "1.0"));
    }

    #[test]
    fn texts_that_name_no_version_are_refused_in_temporals_words() {
        let refused = |text: &str| Version::parse(text).unwrap_err();
        assert_eq!(
            refused("app"),
            "expected delimiter ':' or '.' not found in version string app"
        );
        assert_eq!(refused(".1"), "deployment name is empty in version string .1");
        assert_eq!(refused("app."), "build id is empty in version string app.");
        assert_eq!(refused("app:1"), "build id is empty in version string app:1");
    }

    #[test]
    fn names_have_limits() {
        let message = |refused: Result<(), Reject>| refused.unwrap_err().message();
        assert_eq!(
            message(check_deployment_name(&DynamicConfig::default(), "")),
            "WorkerDeploymentName cannot be empty"
        );
        assert_eq!(
            message(check_deployment_name(&DynamicConfig::default(), "a.b")),
            "worker deployment name cannot contain '.'"
        );
        assert_eq!(
            message(check_deployment_name(&DynamicConfig::default(), "a:b")),
            "worker deployment name cannot contain ':'"
        );
        assert_eq!(
            message(check_deployment_name(&DynamicConfig::default(), "__a")),
            "WorkerDeploymentName cannot start with '__'"
        );
        assert_eq!(
            message(check_build_id(&DynamicConfig::default(), &"b".repeat(481))),
            "size of BuildID larger than the maximum allowed"
        );
        assert_eq!(check_build_id(&DynamicConfig::default(), &"b".repeat(480)), Ok(()));
        assert_eq!(check_build_id(&DynamicConfig::default(), "1.0:x"), Ok(()));
    }
}
