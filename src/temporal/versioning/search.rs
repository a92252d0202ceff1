//! The search attributes that the server itself keeps for a run's version
//! (Temporal: `mutable_state_impl.addBuildIDAndDeploymentInfoToSearchAttributesWithNoVisibilityTask`).

use temporalio_protos::temporal::api::common::v1::{Payload, WorkerVersionStamp};
use temporalio_protos::temporal::api::enums::v1::VersioningBehavior as Behavior;

use super::version::Version;

/// A run's system attributes; empty ones are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SystemAttributes {
    pub(crate) build_ids: Vec<String>,
    pub(crate) used_versions: Vec<String>,
    pub(crate) deployment: String,
    pub(crate) version: String,
    pub(crate) behavior: &'static str,
}

impl SystemAttributes {
    pub(super) fn refresh(
        &mut self,
        behavior: Behavior,
        version: Option<&Version>,
        deployment_name: &str,
        (stamp, assigned): (Option<&WorkerVersionStamp>, &str),
        used: Option<&Version>,
    ) {
        self.version = version.map(Version::colon).unwrap_or_default();
        self.deployment = version.map_or(deployment_name, |it| &it.deployment).to_owned();
        self.behavior = match behavior {
            Behavior::Unspecified => "",
            Behavior::Pinned => "Pinned",
            Behavior::AutoUpgrade => "AutoUpgrade",
        };
        if let Some(used) = used.map(Version::colon)
            && !self.used_versions.contains(&used)
        {
            self.used_versions.push(used);
        }
        self.refresh_build_ids(behavior, stamp, assigned);
    }

    /// Forgets the oldest build ids and versions of a run that has had too many, so that no value has more bytes than this.
    pub(crate) fn trim(&mut self, limit: usize) {
        // Most are far from it.
        let is_small = |values: &[String]| values.iter().map(|value| longest(value)).sum::<usize>() < limit;
        if is_small(&self.build_ids) && is_small(&self.used_versions) {
            return;
        }
        while list_bytes(&self.build_ids) > limit {
            let first = self.build_ids.first().map_or("", String::as_str);
            // What the run is now is kept as long as anything is.
            let is_mark = first == "unversioned" || first.starts_with("assigned:");
            let place = usize::from(is_mark && self.build_ids.len() > 1);
            self.build_ids.remove(place);
        }
        while list_bytes(&self.used_versions) > limit {
            self.used_versions.remove(0);
        }
    }

    /// Each with its name and value.
    pub(crate) fn payloads(&self) -> impl Iterator<Item = (&'static str, Payload)> {
        let keyword = |name, value: &str| (!value.is_empty()).then(|| (name, payload("Keyword", &text(value))));
        let list = |name, values: &[String]| {
            let texts: Vec<String> = values.iter().map(|value| text(value)).collect();
            (!values.is_empty()).then(|| (name, payload("KeywordList", &format!("[{}]", texts.join(",")))))
        };
        [
            list("BuildIds", &self.build_ids),
            list("TemporalUsedWorkerDeploymentVersions", &self.used_versions),
            keyword("TemporalWorkerDeployment", &self.deployment),
            keyword("TemporalWorkerDeploymentVersion", &self.version),
            keyword("TemporalWorkflowVersioningBehavior", self.behavior),
        ]
        .into_iter()
        .flatten()
    }

    /// What the run is now comes first, then the build ids of all workers it has had.
    fn refresh_build_ids(&mut self, behavior: Behavior, stamp: Option<&WorkerVersionStamp>, assigned: &str) {
        let uses_versioning = stamp.is_some_and(|stamp| stamp.use_versioning);
        let mut values = Vec::new();
        if behavior == Behavior::Unspecified && !uses_versioning {
            values.push("unversioned".to_owned());
        } else if behavior == Behavior::Unspecified && !assigned.is_empty() {
            values.push(format!("assigned:{assigned}"));
        }
        if behavior == Behavior::Pinned {
            values.push(format!("pinned:{}", self.version));
        }
        let own = stamp.map(|stamp| match (stamp.build_id.as_str(), stamp.use_versioning) {
            ("", _) => "unversioned".to_owned(),
            (build_id, true) => format!("versioned:{build_id}"),
            (build_id, false) => format!("unversioned:{build_id}"),
        });
        let is_known = own.as_ref().is_some_and(|own| self.build_ids.contains(own));
        let earlier = std::mem::take(&mut self.build_ids).into_iter();
        values.extend(
            earlier.filter(|it| it != "unversioned" && !it.starts_with("assigned:") && !it.starts_with("pinned")),
        );
        values.extend(own.filter(|_| !is_known));
        self.build_ids = values;
    }
}

/// How many bytes a value has at most in a list: six for an escaped one, quotes, and what stands between values.
fn longest(value: &str) -> usize {
    6 * value.len() + 4
}

/// The size of a list as JSON; an empty one isn't there.
fn list_bytes(values: &[String]) -> usize {
    let texts = values.iter().map(|value| text(value).len() + 1);
    match values.is_empty() {
        true => 0,
        false => texts.sum::<usize>() + 1,
    }
}

fn payload(kind: &str, json: &str) -> Payload {
    Payload {
        metadata: [
            ("encoding".to_owned(), b"json/plain".to_vec()),
            ("type".to_owned(), kind.as_bytes().to_vec()),
        ]
        .into(),
        data: json.as_bytes().to_vec(),
        ..Default::default()
    }
}

/// A text as JSON.
fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(build_id: &str) -> WorkerVersionStamp {
        WorkerVersionStamp {
            build_id: build_id.to_owned(),
            use_versioning: false,
        }
    }

    #[test]
    fn build_ids_remember_every_worker_and_say_first_what_the_run_is_now() {
        let mut attributes = SystemAttributes::default();
        attributes.refresh(Behavior::Unspecified, None, "", (Some(&stamp("a")), ""), None);
        assert_eq!(attributes.build_ids, ["unversioned", "unversioned:a"]);
        let version = Version::new("app", "1");
        attributes.refresh(
            Behavior::Pinned,
            Some(&version),
            "app",
            (Some(&stamp("1")), ""),
            Some(&version),
        );
        assert_eq!(attributes.build_ids, ["pinned:app:1", "unversioned:a", "unversioned:1"]);
        attributes.refresh(
            Behavior::AutoUpgrade,
            Some(&version),
            "app",
            (Some(&stamp("1")), ""),
            Some(&version),
        );
        assert_eq!(attributes.build_ids, ["unversioned:a", "unversioned:1"]);
        assert_eq!(attributes.used_versions, ["app:1"]);
    }

    #[test]
    fn the_oldest_build_ids_go_when_there_are_too_many() {
        let mut attributes = SystemAttributes::default();
        for build_id in ["a", "b", "c"] {
            attributes.refresh(Behavior::Unspecified, None, "", (Some(&stamp(build_id)), ""), None);
        }
        let whole = r#"["unversioned","unversioned:a","unversioned:b","unversioned:c"]"#.len();
        attributes.trim(whole);
        assert_eq!(attributes.build_ids.len(), 4);
        attributes.trim(whole - 1);
        assert_eq!(attributes.build_ids, ["unversioned", "unversioned:b", "unversioned:c"]);
        attributes.trim(3);
        assert!(attributes.build_ids.is_empty());
    }

    #[test]
    fn payloads_have_their_type() {
        let mut attributes = SystemAttributes::default();
        attributes.refresh(Behavior::Pinned, Some(&Version::new("a\"b", "1")), "", (None, ""), None);
        let payloads: Vec<_> = attributes.payloads().collect();
        let (name, list) = &payloads[0];
        assert_eq!(
            (*name, list.data.as_slice()),
            ("BuildIds", &br#"["pinned:a\"b:1"]"#[..])
        );
        assert_eq!(list.metadata["type"], b"KeywordList");
        let (name, behavior) = payloads.last().unwrap();
        assert_eq!(
            (*name, behavior.data.as_slice()),
            ("TemporalWorkflowVersioningBehavior", &b"\"Pinned\""[..])
        );
    }
}
