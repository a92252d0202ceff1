//! How urgent a run's tasks are (Temporal: `common/priorities`).

use temporalio_protos::temporal::api::common::v1::Priority;

use super::reject::Reject;

/// The least urgent (dynamic config `matching.priorityLevels`). The most urgent is 1.
const LEVELS: i32 = 5;

/// Of a task that doesn't say: the middle.
pub(crate) const DEFAULT: i32 = 3;

/// The longest fairness key, in bytes.
const MAX_FAIRNESS_KEY_LENGTH: usize = 64;

/// Refuses what can't be a priority.
pub(crate) fn check(priority: Option<&Priority>) -> Result<(), Reject> {
    let refuse = |why: &str| Err(Reject::InvalidArgument(why.to_owned()));
    match priority {
        Some(it) if it.priority_key < 0 => refuse("priority key can't be negative"),
        Some(it) => {
            check_fairness_key(&it.fairness_key)?;
            match it.fairness_weight < 0.0 {
                true => refuse("must be greater than zero"),
                false => Ok(()),
            }
        }
        None => Ok(()),
    }
}

/// Refuses a fairness key that is too long.
pub(crate) fn check_fairness_key(key: &str) -> Result<(), Reject> {
    match key.len() > MAX_FAIRNESS_KEY_LENGTH {
        true => Err(Reject::InvalidArgument("fairness key length exceeds limit".to_owned())),
        false => Ok(()),
    }
}

/// What an activity or a child has, which takes from its workflow what it doesn't say itself.
pub(crate) fn merge(base: Option<&Priority>, own: Option<&Priority>) -> Option<Priority> {
    let (Some(base), Some(own)) = (base, own) else {
        return own.or(base).cloned();
    };
    Some(Priority {
        priority_key: match own.priority_key {
            0 => base.priority_key,
            key => key,
        },
        fairness_key: match own.fairness_key.is_empty() {
            true => base.fairness_key.clone(),
            false => own.fairness_key.clone(),
        },
        fairness_weight: match own.fairness_weight == 0.0 {
            true => base.fairness_weight,
            false => own.fairness_weight,
        },
    })
}

/// What decides about turns of tasks of the same level: the fairness key, and what it weighs if the task says so.
pub(crate) fn fairness(priority: Option<&Priority>) -> (String, f32) {
    priority.map_or_else(Default::default, |it| (it.fairness_key.clone(), it.fairness_weight))
}

/// From 1, the most urgent, to 5.
pub(crate) fn level(priority: Option<&Priority>) -> i32 {
    match priority.map_or(0, |it| it.priority_key) {
        0 => DEFAULT,
        key => key.clamp(1, LEVELS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priority(key: i32, fairness: &str, weight: f32) -> Priority {
        Priority {
            priority_key: key,
            fairness_key: fairness.to_owned(),
            fairness_weight: weight,
        }
    }

    #[test]
    fn what_isnt_said_comes_from_the_workflow() {
        let base = priority(1, "a", 2.0);
        assert_eq!(merge(Some(&base), None), Some(base.clone()));
        assert_eq!(merge(None, Some(&base)), Some(base.clone()));
        assert_eq!(
            merge(Some(&base), Some(&priority(0, "b", 0.0))),
            Some(priority(1, "b", 2.0))
        );
        assert_eq!(
            merge(Some(&base), Some(&priority(4, "", 0.5))),
            Some(priority(4, "a", 0.5))
        );
    }

    #[test]
    fn levels_stay_in_their_bounds() {
        assert_eq!(level(None), 3);
        assert_eq!(level(Some(&priority(0, "", 0.0))), 3);
        assert_eq!(level(Some(&priority(1, "", 0.0))), 1);
        assert_eq!(level(Some(&priority(99, "", 0.0))), 5);
    }

    #[test]
    fn bad_priorities_are_refused_in_temporals_words() {
        let message = |it: Priority| check(Some(&it)).unwrap_err().message();
        assert_eq!(message(priority(-1, "", 0.0)), "priority key can't be negative");
        assert_eq!(
            message(priority(1, &"x".repeat(65), 0.0)),
            "fairness key length exceeds limit"
        );
        assert_eq!(message(priority(1, "", -1.0)), "must be greater than zero");
        assert_eq!(check(Some(&priority(9, "x", 1.0))), Ok(()));
    }
}
