//! A client's override of a run's versioning.

use temporalio_protos::temporal::api::enums::v1::VersioningBehavior as Behavior;
use temporalio_protos::temporal::api::workflow::v1 as wire;
use temporalio_protos::temporal::api::workflow::v1::versioning_override::{
    OneTimeOverride, Override as Kind, PinnedOverride, PinnedOverrideBehavior,
};

use super::version::Version;
use crate::temporal::reject::Reject;

/// What a client wants instead of what the worker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Override {
    /// Stays on this version.
    Pinned(Version),
    /// Goes with the current version.
    AutoUpgrade,
    /// Goes to this version once; then the worker's word counts again.
    OneTime(Version),
}

impl Override {
    /// From a request, in any of the three generations of its form; `None` if there is none.
    pub(crate) fn parse(wire: Option<&wire::VersioningOverride>) -> Result<Option<Self>, Reject> {
        let refuse = |why: &str| Err(Reject::InvalidArgument(why.to_owned()));
        let Some(wire) = wire else {
            return Ok(None);
        };
        match &wire.r#override {
            Some(Kind::AutoUpgrade(true)) => Ok(Some(Self::AutoUpgrade)),
            Some(Kind::AutoUpgrade(false)) => refuse("auto-upgrade override must be true"),
            Some(Kind::Pinned(pinned)) => match &pinned.version {
                None => refuse("must provide version if override is pinned."),
                Some(_) if pinned.behavior == PinnedOverrideBehavior::Unspecified as i32 => {
                    refuse("must specify pinned override behavior if override is pinned.")
                }
                Some(version) => Ok(Some(Self::Pinned(Version::from_wire(version)))),
            },
            Some(Kind::OneTime(one_time)) => match &one_time.target_deployment_version {
                None => refuse("must provide target deployment version if override is one-time."),
                Some(version) => Ok(Some(Self::OneTime(Version::from_wire(version)))),
            },
            None => Self::parse_deprecated(wire).map(Some),
        }
    }

    #[expect(deprecated, reason = "clients may still send it")]
    fn parse_deprecated(wire: &wire::VersioningOverride) -> Result<Self, Reject> {
        let refuse = |why: &str| Err(Reject::InvalidArgument(why.to_owned()));
        match (Behavior::try_from(wire.behavior), &wire.deployment) {
            (Ok(Behavior::Pinned), Some(deployment)) => {
                check_deployment(deployment)?;
                Ok(Self::Pinned(Version::new(
                    &deployment.series_name,
                    &deployment.build_id,
                )))
            }
            (Ok(Behavior::Pinned), None) if wire.pinned_version.is_empty() => {
                refuse("must provide deployment (deprecated) or pinned version if behavior is 'PINNED'")
            }
            (Ok(Behavior::Pinned), None) => match Version::parse(&wire.pinned_version) {
                Ok(Some(version)) => Ok(Self::Pinned(version)),
                Ok(None) => refuse("must provide version if override is pinned."),
                Err(_) => Err(invalid_version(&wire.pinned_version)),
            },
            (Ok(Behavior::AutoUpgrade), Some(_)) => refuse("only provide deployment if behavior is 'PINNED'"),
            (Ok(Behavior::AutoUpgrade), None) if !wire.pinned_version.is_empty() => {
                refuse("only provide pinned version if behavior is 'PINNED'")
            }
            (Ok(Behavior::AutoUpgrade), None) => Ok(Self::AutoUpgrade),
            (Ok(Behavior::Unspecified), _) => refuse("override behavior is required"),
            (Err(_), _) => Err(Reject::InvalidArgument(format!(
                "override behavior {} not recognized",
                wire.behavior
            ))),
        }
    }

    /// The version that the run goes to by it.
    pub(crate) fn version(&self) -> Option<&Version> {
        match self {
            Self::Pinned(version) | Self::OneTime(version) => Some(version),
            Self::AutoUpgrade => None,
        }
    }

    /// How tasks are routed by it.
    pub(crate) fn behavior(&self) -> Behavior {
        match self {
            Self::Pinned(_) | Self::OneTime(_) => Behavior::Pinned,
            Self::AutoUpgrade => Behavior::AutoUpgrade,
        }
    }

    /// As events have it: without the deprecated fields.
    pub(crate) fn to_wire(&self) -> wire::VersioningOverride {
        let kind = match self {
            Self::Pinned(version) => Kind::Pinned(PinnedOverride {
                behavior: PinnedOverrideBehavior::Pinned as i32,
                version: Some(version.to_wire()),
            }),
            Self::AutoUpgrade => Kind::AutoUpgrade(true),
            Self::OneTime(version) => Kind::OneTime(OneTimeOverride {
                target_deployment_version: Some(version.to_wire()),
            }),
        };
        wire::VersioningOverride {
            r#override: Some(kind),
            ..Default::default()
        }
    }

    /// As `DescribeWorkflowExecution` shows it: with the deprecated fields.
    #[expect(deprecated, reason = "the real server fills in the old fields too")]
    pub(crate) fn describe(&self) -> wire::VersioningOverride {
        let mut wire = self.to_wire();
        match self {
            Self::Pinned(version) => {
                wire.behavior = Behavior::Pinned as i32;
                wire.pinned_version = version.dotted();
            }
            Self::AutoUpgrade => wire.behavior = Behavior::AutoUpgrade as i32,
            Self::OneTime(_) => {}
        }
        wire
    }
}

/// A text that should have been a version.
pub(crate) fn invalid_version(text: &str) -> Reject {
    Reject::InvalidArgument(format!(
        "invalid version string {text:?}, expected format is \"<deployment_name>.<build_id>\""
    ))
}

fn check_deployment(deployment: &temporalio_protos::temporal::api::deployment::v1::Deployment) -> Result<(), Reject> {
    let refuse = |why: &str| Err(Reject::InvalidArgument(why.to_owned()));
    let name = &deployment.series_name;
    if name.is_empty() {
        return refuse("deployment name cannot be empty");
    }
    if name.contains(['.', ':']) {
        return refuse("deployment name cannot contain '.' or ':'");
    }
    match deployment.build_id.is_empty() {
        true => refuse("deployment build ID cannot be empty"),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(wire: &wire::VersioningOverride) -> String {
        Override::parse(Some(wire)).unwrap_err().message()
    }

    #[test]
    fn overrides_come_back_as_they_went() {
        for over in [
            Override::Pinned(Version::new("app", "1")),
            Override::AutoUpgrade,
            Override::OneTime(Version::new("app", "1")),
        ] {
            assert_eq!(Override::parse(Some(&over.to_wire())), Ok(Some(over)));
        }
        assert_eq!(Override::parse(None), Ok(None));
    }

    #[test]
    #[expect(deprecated, reason = "the old form")]
    fn the_old_form_is_read_too() {
        let wire = wire::VersioningOverride {
            behavior: Behavior::Pinned as i32,
            pinned_version: "app.1".to_owned(),
            ..Default::default()
        };
        let pinned = Override::Pinned(Version::new("app", "1"));
        assert_eq!(Override::parse(Some(&wire)), Ok(Some(pinned.clone())));
        assert_eq!(pinned.describe().pinned_version, "app.1");
    }

    #[test]
    fn overrides_that_say_too_little_are_refused() {
        assert_eq!(
            refused(&wire::VersioningOverride::default()),
            "override behavior is required"
        );
        let pinned = |pinned| wire::VersioningOverride {
            r#override: Some(Kind::Pinned(pinned)),
            ..Default::default()
        };
        assert_eq!(
            refused(&pinned(PinnedOverride::default())),
            "must provide version if override is pinned."
        );
        let version = Some(Version::new("app", "1").to_wire());
        assert_eq!(
            refused(&pinned(PinnedOverride { behavior: 0, version })),
            "must specify pinned override behavior if override is pinned."
        );
    }
}
