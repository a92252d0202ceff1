//! The end of a namespace.

use temporalio_protos::temporal::api::enums::v1::NamespaceState as State;

use super::namespaces::{Namespace, SYSTEM_NAMESPACE};
use super::{Engine, Run};
use crate::clock::Timestamp;
use crate::temporal::machine::standalone_activity::StandaloneActivity;
use crate::temporal::machine::standalone_nexus_operation::StandaloneNexusOperation;
use crate::temporal::reject::Reject;
use crate::temporal::run::RunRef;
use crate::temporal::timer::Timer;

impl Engine {
    /// Deletes a namespace with all that is in it; gives the name that it has while it goes. If it `stays`, that name
    /// goes on being listed among the deleted ones.
    pub(crate) fn delete_namespace(&mut self, now: Timestamp, name: &str, stays: bool) -> Result<String, Reject> {
        if name == SYSTEM_NAMESPACE {
            return Err(Reject::FailedPrecondition(
                "unable to delete system namespace".to_owned(),
            ));
        }
        let Some(namespace) = self.namespaces.remove(name) else {
            return Err(Reject::NamespaceNotFound(name.to_owned()));
        };
        self.delete_all_of(now, name);
        let deleted = Namespace {
            name: self.name_while_deleted(&namespace),
            state: State::Deleted,
            ..namespace
        };
        let deleted_name = deleted.name.clone();
        if stays {
            self.namespaces.replace(deleted);
        }
        Ok(deleted_name)
    }

    /// Everything that runs ends, then everything is forgotten.
    fn delete_all_of(&mut self, now: Timestamp, namespace: &str) {
        for schedule in self.schedules.remove_namespace(namespace) {
            self.timers.stop(Timer::Schedule(schedule));
        }
        let activities = self.standalones.iter();
        let activities = activities.filter(|activity| activity.namespace() == namespace);
        for activity in activities.map(StandaloneActivity::activity).collect::<Vec<_>>() {
            self.delete_standalone(now, activity);
        }
        let operations = self.nexus.operations.iter();
        let operations = operations.filter(|operation| operation.start().namespace == namespace);
        for operation in operations.map(StandaloneNexusOperation::name).collect::<Vec<_>>() {
            self.delete_operation(now, operation);
        }
        let runs = self.runs().filter(|run| run.start.namespace == namespace);
        let runs: Vec<RunRef> = runs.map(|run| run.run).collect();
        for run in &runs {
            self.step(now, *run, |run: &mut Run, context| {
                run.terminate(
                    context,
                    "Delete workflow execution",
                    None,
                    "history-service",
                    Vec::new(),
                );
            });
        }
        // The ends have started nothing new: the namespace isn't there any more.
        for run in runs {
            self.forget_run(run);
        }
        self.visibility.remove_namespace(namespace);
    }

    /// `name-deleted-` and as much of the id as makes it unique.
    fn name_while_deleted(&self, namespace: &Namespace) -> String {
        let candidates = (5..namespace.id.len()).filter_map(|length| {
            let suffix = format!("-deleted-{}", namespace.id.get(..length)?);
            Some(match namespace.name.ends_with(&suffix) {
                true => namespace.name.clone(),
                false => format!("{}{suffix}", namespace.name),
            })
        });
        candidates
            .into_iter()
            .find(|name| self.namespaces.get(name).is_none())
            .unwrap_or_else(|| namespace.id.clone())
    }
}
