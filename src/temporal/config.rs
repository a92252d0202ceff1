//! Temporal's dynamic configuration, as far as it makes a difference here: settings by the names that the real server has for them.

use std::fmt;

use serde_json::Value;

/// One line for each setting: its field, its type, what it is without being set, and its name in Temporal. A setting that has no line
/// can't be set, so nobody believes that it does something.
macro_rules! settings {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $default:expr, $name:literal;)*) => {
        /// The settings in force.
        #[derive(Clone, Debug)]
        pub(crate) struct DynamicConfig {
            $($(#[$doc])* pub(crate) $field: $type,)*
        }

        impl Default for DynamicConfig {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        /// The names, in the order of the table.
        const NAMES: &[&str] = &[$($name),*];

        impl DynamicConfig {
            /// Sets what a name stands for. As in Temporal, upper and lower case are the same in it.
            pub(crate) fn set(&mut self, name: &str, value: &Value) -> Result<(), DynamicConfigError> {
                $(if name.eq_ignore_ascii_case($name) {
                    self.$field = Setting::read(value).map_err(|wanted| DynamicConfigError::Value {
                        name: $name,
                        wanted,
                        value: value.to_string(),
                    })?;
                    return Ok(());
                })*
                Err(DynamicConfigError::Unknown { name: name.to_owned() })
            }
        }
    };
}

settings! {
    /// Whether the first generation of worker versioning is served: sets of compatible build ids.
    version_sets: bool = false, "frontend.workerVersioningDataAPIs";
    /// Whether the second generation of worker versioning is served: assignment and redirect rules.
    versioning_rules: bool = false, "frontend.workerVersioningRuleAPIs";
    /// Whether workers and workflow commands may name build ids of the first two generations.
    versioning_workflow: bool = false, "frontend.workerVersioningWorkflowAPIs";
}

/// Why a setting can't be set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DynamicConfigError {
    /// Nothing here goes by that setting.
    Unknown {
        /// The name.
        name: String,
    },
    /// The value is of another type.
    Value {
        /// The setting's name.
        name: &'static str,
        /// What it takes.
        wanted: &'static str,
        /// What it was given, as JSON.
        value: String,
    },
}

impl fmt::Display for DynamicConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name } => write!(
                f,
                "nothing here goes by the setting `{name}` of Temporal's dynamic configuration; these can be set: {}",
                NAMES.join(", ")
            ),
            Self::Value { name, wanted, value } => write!(f, "`{name}` takes {wanted}, not {value}"),
        }
    }
}

impl std::error::Error for DynamicConfigError {}

/// A type that settings have.
trait Setting: Sized {
    /// The value, or what it must be.
    fn read(value: &Value) -> Result<Self, &'static str>;
}

impl Setting for bool {
    fn read(value: &Value) -> Result<Self, &'static str> {
        value.as_bool().ok_or("true or false")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_goes_by_temporals_name_in_any_case() {
        let mut config = DynamicConfig::default();
        assert!(!config.versioning_rules);
        config
            .set("Frontend.workerversioningRuleAPIs", &Value::Bool(true))
            .unwrap();
        assert!(config.versioning_rules);
    }

    #[test]
    fn what_cant_be_set_says_why() {
        let mut config = DynamicConfig::default();
        let unknown = config.set("frontend.nothing", &Value::Null).unwrap_err().to_string();
        assert!(unknown.contains("`frontend.nothing`"), "{unknown}");
        assert!(unknown.contains("frontend.workerVersioningDataAPIs"), "{unknown}");
        let wrong = config.set("frontend.workerVersioningDataAPIs", &Value::from("yes"));
        assert_eq!(
            wrong.unwrap_err().to_string(),
            r#"`frontend.workerVersioningDataAPIs` takes true or false, not "yes""#
        );
    }
}
