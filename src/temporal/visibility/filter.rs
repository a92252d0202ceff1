//! A query's filter with all names and values understood, and what it says of one record.
//!
//! SQL knows three answers: yes, no, and unknown (`None`), where a value is missing.

use std::cmp::Ordering;

use super::text;

/// Where a value is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    WorkflowId,
    RunId,
    WorkflowType,
    StartTime,
    ExecutionTime,
    CloseTime,
    ExecutionStatus,
    TaskQueue,
    HistoryLength,
    HistorySizeBytes,
    ExecutionDuration,
    StateTransitionCount,
    ParentWorkflowId,
    ParentRunId,
    RootWorkflowId,
    RootRunId,
    /// A predefined attribute by its name, or a custom one by its place.
    Attribute(String),
}

impl Field {
    /// The field of a system attribute, or the attribute's own.
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "WorkflowId" => Self::WorkflowId,
            "RunId" => Self::RunId,
            "WorkflowType" => Self::WorkflowType,
            "StartTime" => Self::StartTime,
            "ExecutionTime" => Self::ExecutionTime,
            "CloseTime" => Self::CloseTime,
            "ExecutionStatus" => Self::ExecutionStatus,
            "TaskQueue" => Self::TaskQueue,
            "HistoryLength" => Self::HistoryLength,
            "HistorySizeBytes" => Self::HistorySizeBytes,
            "ExecutionDuration" => Self::ExecutionDuration,
            "StateTransitionCount" => Self::StateTransitionCount,
            "ParentWorkflowId" => Self::ParentWorkflowId,
            "ParentRunId" => Self::ParentRunId,
            "RootWorkflowId" => Self::RootWorkflowId,
            "RootRunId" => Self::RootRunId,
            other => Self::Attribute(other.to_owned()),
        }
    }
}

/// A value in a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Text(&'a str),
    Integer(i64),
    Real(f64),
    Bool(bool),
    /// Microseconds since 1970.
    Moment(i64),
    /// A custom moment, as SQLite keeps it.
    MomentText(&'a str),
    List(&'a [String]),
}

/// A value in a query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Text(String),
    Integer(i64),
    Real(f64),
    Bool(bool),
    Moment { microseconds: i64, text: String },
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A condition on a record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    All,
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Compare(Field, Comparison, Operand),
    In {
        field: Field,
        negated: bool,
        operands: Vec<Operand>,
    },
    Between {
        field: Field,
        negated: bool,
        from: Operand,
        to: Operand,
    },
    StartsWith {
        field: Field,
        negated: bool,
        prefix: String,
    },
    /// A list has one of these (without case).
    Has {
        field: Field,
        negated: bool,
        items: Vec<String>,
    },
    /// A text has one of these phrases.
    Mentions {
        field: Field,
        negated: bool,
        phrases: Vec<Vec<String>>,
    },
    IsNull {
        field: Field,
        negated: bool,
    },
}

/// Something that has values: a workflow, or whatever else is listed by the same language.
pub(crate) trait Row {
    /// The value of a field; none if it is null.
    fn cell(&self, field: &Field) -> Option<Cell<'_>>;
}

impl Filter {
    /// Whether a record is meant.
    pub(crate) fn matches(&self, row: &impl Row) -> bool {
        self.holds(row) == Some(true)
    }

    /// Both conditions.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, filter) | (filter, Self::All) => filter,
            (left, right) => Self::And(Box::new(left), Box::new(right)),
        }
    }

    /// The texts that a field must have one of, if this condition says so: what an index needs to know.
    pub(crate) fn wanted(&self) -> Vec<(&Field, Vec<&Operand>)> {
        match self {
            Self::And(left, right) => {
                let mut wanted = left.wanted();
                wanted.extend(right.wanted());
                wanted
            }
            Self::Compare(field, Comparison::Equal, operand) => vec![(field, vec![operand])],
            Self::In {
                field,
                negated: false,
                operands,
            } => vec![(field, operands.iter().collect())],
            _ => Vec::new(),
        }
    }

    /// The fields that it asks for.
    pub(crate) fn fields(&self) -> Vec<&Field> {
        match self {
            Self::All => Vec::new(),
            Self::Not(inner) => inner.fields(),
            Self::And(left, right) | Self::Or(left, right) => {
                let mut fields = left.fields();
                fields.extend(right.fields());
                fields
            }
            Self::Compare(field, ..)
            | Self::In { field, .. }
            | Self::Between { field, .. }
            | Self::StartsWith { field, .. }
            | Self::Has { field, .. }
            | Self::Mentions { field, .. }
            | Self::IsNull { field, .. } => vec![field],
        }
    }

    fn holds(&self, row: &impl Row) -> Option<bool> {
        match self {
            Self::All => Some(true),
            Self::Not(inner) => inner.holds(row).map(|it| !it),
            Self::And(left, right) => match (left.holds(row), right.holds(row)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(left, right) => match (left.holds(row), right.holds(row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::Compare(field, comparison, operand) => {
                let cell = row.cell(field)?;
                Some(comparison.holds(compare(cell, operand)?))
            }
            Self::In {
                field,
                negated,
                operands,
            } => {
                let cell = row.cell(field)?;
                let is_in = operands
                    .iter()
                    .any(|operand| compare(cell, operand) == Some(Ordering::Equal));
                Some(is_in != *negated)
            }
            Self::Between {
                field,
                negated,
                from,
                to,
            } => {
                let cell = row.cell(field)?;
                let between = compare(cell, from)?.is_ge() && compare(cell, to)?.is_le();
                Some(between != *negated)
            }
            Self::StartsWith { field, negated, prefix } => match row.cell(field)? {
                Cell::Text(text) => Some(text::starts_with(text, prefix) != *negated),
                _ => None,
            },
            // The full-text search has rows or hasn't: nothing is unknown to it.
            Self::Has { field, negated, items } => {
                let has = match row.cell(field) {
                    Some(Cell::List(list)) => list.iter().any(|item| items.contains(&text::folded(item))),
                    _ => false,
                };
                Some(has != *negated)
            }
            Self::Mentions {
                field,
                negated,
                phrases,
            } => {
                let mentions = match row.cell(field) {
                    Some(Cell::Text(text)) => {
                        let words = text::words(text);
                        phrases.iter().any(|phrase| text::has_phrase(&words, phrase))
                    }
                    _ => false,
                };
                Some(mentions != *negated)
            }
            Self::IsNull { field, negated } => Some(row.cell(field).is_none() != *negated),
        }
    }
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "SQLite compares an integer with a real number like this, too"
)]
fn compare(cell: Cell<'_>, operand: &Operand) -> Option<Ordering> {
    match (cell, operand) {
        (Cell::Text(left), Operand::Text(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        (Cell::Integer(left), Operand::Integer(right)) => Some(left.cmp(right)),
        (Cell::Integer(left), Operand::Real(right)) => (left as f64).partial_cmp(right),
        (Cell::Real(left), Operand::Integer(right)) => left.partial_cmp(&(*right as f64)),
        (Cell::Real(left), Operand::Real(right)) => left.partial_cmp(right),
        (Cell::Bool(left), Operand::Bool(right)) => Some(left.cmp(right)),
        (Cell::Moment(left), Operand::Moment { microseconds, .. }) => Some(left.cmp(microseconds)),
        (Cell::MomentText(left), Operand::Moment { text, .. }) => Some(left.as_bytes().cmp(text.as_bytes())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row with one text, one number and one list.
    struct Sample;

    const ITEMS: &[String] = &[];

    impl Row for Sample {
        fn cell(&self, field: &Field) -> Option<Cell<'_>> {
            match field {
                Field::WorkflowId => Some(Cell::Text("Order-7")),
                Field::HistoryLength => Some(Cell::Integer(7)),
                Field::Attribute(name) if name == "KeywordList01" => Some(Cell::List(ITEMS)),
                _ => None,
            }
        }
    }

    fn equal(field: Field, text: &str) -> Filter {
        Filter::Compare(field, Comparison::Equal, Operand::Text(text.to_owned()))
    }

    #[test]
    fn what_is_unknown_is_neither_true_nor_false() {
        let unknown = equal(Field::TaskQueue, "a");
        assert!(!unknown.matches(&Sample));
        assert!(!Filter::Not(Box::new(unknown.clone())).matches(&Sample));
        let known = equal(Field::WorkflowId, "Order-7");
        assert!(Filter::Or(Box::new(unknown.clone()), Box::new(known.clone())).matches(&Sample));
        assert!(!unknown.clone().and(known).matches(&Sample));
        let null = Filter::IsNull {
            field: Field::TaskQueue,
            negated: false,
        };
        assert!(null.matches(&Sample));
    }

    #[test]
    fn a_missing_list_has_nothing_and_that_is_known() {
        let has_not = Filter::Has {
            field: Field::Attribute("KeywordList02".to_owned()),
            negated: true,
            items: vec!["a".to_owned()],
        };
        assert!(has_not.matches(&Sample));
    }

    #[test]
    fn numbers_compare_across_their_types_and_texts_by_their_bytes() {
        let less = Filter::Compare(Field::HistoryLength, Comparison::Less, Operand::Real(7.5));
        assert!(less.matches(&Sample));
        assert!(!equal(Field::WorkflowId, "order-7").matches(&Sample));
        let starts = Filter::StartsWith {
            field: Field::WorkflowId,
            negated: false,
            prefix: "order".to_owned(),
        };
        assert!(starts.matches(&Sample), "LIKE doesn't know capitals");
    }
}
