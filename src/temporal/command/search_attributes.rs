//! Holds the search attributes that commands set against those that the namespace has.

use temporalio_protos::temporal::api::common::v1::SearchAttributes;
use temporalio_protos::temporal::api::enums::v1::WorkflowTaskFailedCause as Cause;

use super::{Annotated, BadCommand, Close, Command, continue_as_new};
use crate::temporal::config::DynamicConfig;
use crate::temporal::engine::{Namespace, Namespaces};
use crate::temporal::run::StartRun;
use crate::temporal::visibility::validate::{mark_types, validate};

/// Checks all that the commands of a run set, and writes each attribute's type beside its value.
pub(crate) fn check_search_attributes(
    commands: &mut [Annotated],
    run: &StartRun,
    namespaces: &Namespaces,
    config: &DynamicConfig,
) -> Result<(), BadCommand> {
    let check = |attributes: Option<&mut SearchAttributes>, namespace: &str, words: &dyn Fn(String) -> String| {
        check(attributes, namespaces.get(namespace), config, words)
    };
    let namespace = run.namespace.as_str();
    for Annotated { command, .. } in commands {
        match command {
            Command::UpsertSearchAttributes(attributes) => check(Some(attributes), namespace, &|why| why)?,
            Command::Close(Close::ContinueAsNew(command)) => {
                let subject = continue_as_new::subject(command, run);
                check(command.search_attributes.as_mut(), namespace, &|why| {
                    format!("invalid SearchAttributes on ContinueAsNewWorkflowExecutionCommand: {why}. {subject}")
                })?;
            }
            Command::StartChild(command) => {
                #[expect(deprecated, reason = "workers may still send it")]
                let target = match command.namespace.as_str() {
                    "" => namespace.to_owned(),
                    other => other.to_owned(),
                };
                let workflow_type = command.workflow_type.clone().unwrap_or_default().name;
                let workflow_id = command.workflow_id.clone();
                check(command.search_attributes.as_mut(), &target, &|why| {
                    format!(
                        "invalid SearchAttributes on StartChildWorkflowCommand: {why}. WorkflowId={workflow_id} \
                         WorkflowType={workflow_type} Namespace={target}"
                    )
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A name that isn't defined is refused as such, before the command's own check puts its words around the complaint.
fn check(
    attributes: Option<&mut SearchAttributes>,
    namespace: Option<&Namespace>,
    config: &DynamicConfig,
    words: &dyn Fn(String) -> String,
) -> Result<(), BadCommand> {
    let (Some(attributes), Some(namespace)) = (attributes, namespace) else {
        return Ok(());
    };
    let bad = |why: String| Err(BadCommand::new(Cause::BadSearchAttributes, why));
    match validate(attributes, &namespace.name, &namespace.search_attributes, config) {
        Ok(()) => {
            mark_types(attributes, &namespace.search_attributes);
            Ok(())
        }
        Err(why) if why.contains("has no mapping defined") => bad(why),
        Err(why) => bad(words(why)),
    }
}
