//! What closes the run comes last, else nothing of the batch counts, not even as a failure of the workflow task.

use temporalio_protos::temporal::api::command::v1::Command;
use temporalio_protos::temporal::api::enums::v1::CommandType as Type;

use super::camel_case;
use crate::temporal::reject::Reject;

/// Refuses a batch with a command after one that closes the run, or with one that nobody knows.
pub(crate) fn check_sequence(commands: &[Command]) -> Result<(), Reject> {
    let mut close = None;
    for command in commands {
        if let Some(close) = close {
            let names: Vec<String> = commands.iter().map(|command| name(command.command_type)).collect();
            return Err(Reject::InvalidArgument(format!(
                "invalid command sequence: [{}], command {} must be the last command.",
                names.join(", "),
                name(close)
            )));
        }
        match Type::try_from(command.command_type) {
            Ok(
                Type::ContinueAsNewWorkflowExecution
                | Type::CompleteWorkflowExecution
                | Type::FailWorkflowExecution
                | Type::CancelWorkflowExecution,
            ) => close = Some(command.command_type),
            Ok(Type::Unspecified) | Err(_) => {
                return Err(Reject::InvalidArgument(format!(
                    "unknown command type: {}",
                    name(command.command_type)
                )));
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// As Temporal's texts write it: `StartTimer`, or the bare number of one that it doesn't know.
fn name(command_type: i32) -> String {
    match Type::try_from(command_type) {
        Ok(known) => camel_case(known.as_str_name().trim_start_matches("COMMAND_TYPE_")),
        Err(_) => command_type.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_must_be_last_and_every_command_known() {
        let batch = |types: &[i32]| -> Vec<Command> {
            let command = |command_type: &i32| Command {
                command_type: *command_type,
                ..Default::default()
            };
            types.iter().map(command).collect()
        };
        let (timer, complete) = (Type::StartTimer as i32, Type::CompleteWorkflowExecution as i32);
        let text = |types: &[i32]| check_sequence(&batch(types)).map_err(|reject| reject.message());
        assert_eq!(text(&[timer, timer, complete]), Ok(()));
        assert_eq!(
            text(&[timer, complete, timer]),
            Err(
                "invalid command sequence: [StartTimer, CompleteWorkflowExecution, StartTimer], command \
                 CompleteWorkflowExecution must be the last command."
                    .to_owned()
            )
        );
        assert_eq!(text(&[0]), Err("unknown command type: Unspecified".to_owned()));
        assert_eq!(text(&[999]), Err("unknown command type: 999".to_owned()));
    }
}
