//! Search attributes by name: which there are, of which type, and where a custom one is kept.
//!
//! As with Temporal's SQL stores, a namespace has a fixed number of places for each type (`Keyword01` to `Keyword10`),
//! and a custom attribute is a name for one of them. Records keep values by place.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::str::FromStr;

use temporalio_protos::temporal::api::enums::v1::IndexedValueType as Type;

/// Names that begin with it belong to Temporal.
pub(crate) const RESERVED_PREFIX: &str = "Temporal";

/// Hides an execution from lists that don't ask for it: `TemporalBatcher`, for example.
pub(crate) const NAMESPACE_DIVISION: &str = "TemporalNamespaceDivision";

/// What every execution has (`sadefs.system`).
pub(crate) const SYSTEM: &[(&str, Type)] = &[
    ("CloseTime", Type::Datetime),
    ("ExecutionDuration", Type::Int),
    ("ExecutionStatus", Type::Keyword),
    ("ExecutionTime", Type::Datetime),
    ("HistoryLength", Type::Int),
    ("HistorySizeBytes", Type::Int),
    ("ParentRunId", Type::Keyword),
    ("ParentWorkflowId", Type::Keyword),
    ("RootRunId", Type::Keyword),
    ("RootWorkflowId", Type::Keyword),
    ("RunId", Type::Keyword),
    ("StartTime", Type::Datetime),
    ("StateTransitionCount", Type::Int),
    ("TaskQueue", Type::Keyword),
    ("WorkflowId", Type::Keyword),
    ("WorkflowType", Type::Keyword),
];

/// What the server and SDKs set beside custom ones, and whether a client may set it too (`sadefs.predefined`).
pub(crate) const PREDEFINED: &[(&str, Type, bool)] = &[
    ("BatcherNamespace", Type::Keyword, true),
    ("BatcherUser", Type::Keyword, true),
    ("BinaryChecksums", Type::KeywordList, true),
    ("BuildIds", Type::KeywordList, true),
    ("TemporalChangeVersion", Type::KeywordList, true),
    ("TemporalExternalPayloadCount", Type::Int, false),
    ("TemporalExternalPayloadSizeBytes", Type::Int, false),
    (NAMESPACE_DIVISION, Type::Keyword, true),
    ("TemporalPauseInfo", Type::KeywordList, true),
    ("TemporalReportedProblems", Type::KeywordList, true),
    ("TemporalSchedulePaused", Type::Bool, true),
    ("TemporalScheduledById", Type::Keyword, true),
    ("TemporalScheduledStartTime", Type::Datetime, true),
    ("TemporalUsedWorkerDeploymentVersions", Type::KeywordList, false),
    ("TemporalWorkerDeployment", Type::Keyword, false),
    ("TemporalWorkerDeploymentVersion", Type::Keyword, false),
    ("TemporalWorkflowVersioningBehavior", Type::Keyword, false),
];

/// Names of fields that aren't attributes and can't become any (`sadefs.reserved`).
const RESERVED: &[&str] = &["Memo", "MemoEncoding", "NamespaceId", "VisibilityTaskKey"];

/// Places for custom attributes, by type: `Bool01` to `Bool03`, and so on.
pub(crate) const PLACES: &[(Type, usize)] = &[
    (Type::Bool, 3),
    (Type::Datetime, 3),
    (Type::Double, 3),
    (Type::Int, 3),
    (Type::Keyword, 10),
    (Type::KeywordList, 3),
    (Type::Text, 3),
];

/// The type of an attribute that every execution has.
pub(crate) fn system_type(name: &str) -> Option<Type> {
    SYSTEM.iter().find(|(it, _)| *it == name).map(|(_, kind)| *kind)
}

/// The type of a predefined attribute, and whether a client may set it.
pub(crate) fn predefined(name: &str) -> Option<(Type, bool)> {
    PREDEFINED
        .iter()
        .find(|(it, ..)| *it == name)
        .map(|(_, kind, settable)| (*kind, *settable))
}

/// The type of a place for a custom attribute.
pub(crate) fn place_type(place: &str) -> Option<Type> {
    let (letters, number) = place.split_at_checked(place.len().checked_sub(2)?)?;
    let number: usize = number.parse().ok()?;
    PLACES
        .iter()
        .find(|(kind, count)| type_name(*kind) == letters && (1..=*count).contains(&number))
        .map(|(kind, _)| *kind)
}

/// Temporal's own attributes, system and predefined ones.
pub(crate) fn own() -> impl Iterator<Item = (&'static str, Type)> {
    let predefined = PREDEFINED.iter().map(|(name, kind, _)| (*name, *kind));
    SYSTEM.iter().copied().chain(predefined)
}

/// All places, with their types.
pub(crate) fn places() -> impl Iterator<Item = (String, Type)> {
    PLACES
        .iter()
        .flat_map(|(kind, count)| (1..=*count).map(|number| (format!("{}{number:02}", type_name(*kind)), *kind)))
}

/// Whether a name can be given to a custom attribute at all.
pub(crate) fn is_reserved(name: &str) -> bool {
    !is_mappable(name) || RESERVED.contains(&name) || name.starts_with(RESERVED_PREFIX)
}

/// Whether a name may mean a custom attribute.
pub(crate) fn is_mappable(name: &str) -> bool {
    system_type(name).is_none() && predefined(name).is_none()
}

/// A type as Temporal's messages and payloads write it.
pub(crate) fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::Unspecified => "Unspecified",
        Type::Text => "Text",
        Type::Keyword => "Keyword",
        Type::Int => "Int",
        Type::Double => "Double",
        Type::Bool => "Bool",
        Type::Datetime => "Datetime",
        Type::KeywordList => "KeywordList",
    }
}

/// The types that a search attribute can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SearchAttributeType {
    /// Words; a query finds single ones.
    Text,
    /// A text that is compared as a whole.
    Keyword,
    /// A whole number.
    Int,
    /// A real number.
    Double,
    /// Yes or no.
    Bool,
    /// A moment.
    Datetime,
    /// Several texts, each of which is compared as a whole.
    KeywordList,
}

/// The types by their names, which are those of Temporal's own tools.
const NAMES: [(&str, SearchAttributeType); 7] = [
    ("Text", SearchAttributeType::Text),
    ("Keyword", SearchAttributeType::Keyword),
    ("Int", SearchAttributeType::Int),
    ("Double", SearchAttributeType::Double),
    ("Bool", SearchAttributeType::Bool),
    ("Datetime", SearchAttributeType::Datetime),
    ("KeywordList", SearchAttributeType::KeywordList),
];

impl fmt::Display for SearchAttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, kind)| kind == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

impl FromStr for SearchAttributeType {
    type Err = String;

    /// ```
    /// use awaithumans_testkit::SearchAttributeType;
    ///
    /// assert_eq!("Keyword".parse(), Ok(SearchAttributeType::Keyword));
    /// assert!("String".parse::<SearchAttributeType>().is_err());
    /// ```
    fn from_str(name: &str) -> Result<Self, String> {
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, kind)| *kind).ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            format!("{name:?} is none of the types {}", names.join(", "))
        })
    }
}

impl From<SearchAttributeType> for Type {
    fn from(kind: SearchAttributeType) -> Self {
        match kind {
            SearchAttributeType::Text => Self::Text,
            SearchAttributeType::Keyword => Self::Keyword,
            SearchAttributeType::Int => Self::Int,
            SearchAttributeType::Double => Self::Double,
            SearchAttributeType::Bool => Self::Bool,
            SearchAttributeType::Datetime => Self::Datetime,
            SearchAttributeType::KeywordList => Self::KeywordList,
        }
    }
}

/// The custom attributes of a namespace: the names that its places have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CustomAttributes {
    names: BTreeMap<String, String>,
}

/// Why an attribute can't be added: so many of its type there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPlaceLeft(pub(crate) usize);

impl CustomAttributes {
    /// From places to names.
    pub(crate) fn aliases(&self) -> &BTreeMap<String, String> {
        &self.names
    }

    /// Names and types, in the order of their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Type)> {
        self.names
            .iter()
            .filter_map(|(place, name)| Some((name.as_str(), place_type(place)?)))
    }

    /// Where an attribute is kept, and its type.
    pub(crate) fn place(&self, name: &str) -> Option<(&str, Type)> {
        let (place, _) = self.names.iter().find(|(_, it)| *it == name)?;
        Some((place, place_type(place)?))
    }

    /// The name that a place has.
    pub(crate) fn name(&self, place: &str) -> Option<&str> {
        self.names.get(place).map(String::as_str)
    }

    /// Finds a free place for a name. One that is known already keeps its place and type.
    pub(crate) fn add(&mut self, name: &str, kind: Type) -> Result<(), NoPlaceLeft> {
        if self.place(name).is_some() {
            return Ok(());
        }
        let mut used = 0;
        for (place, _) in places().filter(|(_, it)| *it == kind) {
            if let Entry::Vacant(free) = self.names.entry(place) {
                free.insert(name.to_owned());
                return Ok(());
            }
            used += 1;
        }
        Err(NoPlaceLeft(used))
    }

    /// Names a place; an empty name frees it. `false` if the place has another name.
    pub(crate) fn rename(&mut self, place: &str, name: &str) -> bool {
        if name.is_empty() {
            self.names.remove(place);
            return true;
        }
        if self.names.values().any(|it| it == name) {
            return true;
        }
        if self.names.contains_key(place) {
            return false;
        }
        self.names.insert(place.to_owned(), name.to_owned());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_places_and_no_more() {
        assert_eq!(places().count(), 28);
        assert_eq!(place_type("Keyword10"), Some(Type::Keyword));
        assert_eq!(place_type("Keyword11"), None);
        assert_eq!(place_type("KeywordList03"), Some(Type::KeywordList));
        assert_eq!(place_type("Keyword"), None);
        assert_eq!(place_type("é"), None);
    }

    #[test]
    fn names_take_the_first_free_place_until_there_is_none() {
        let mut custom = CustomAttributes::default();
        for name in ["a", "b", "c"] {
            assert_eq!(custom.add(name, Type::Bool), Ok(()));
        }
        assert_eq!(custom.add("b", Type::Keyword), Ok(()), "it is there already");
        assert_eq!(custom.place("b"), Some(("Bool02", Type::Bool)));
        assert_eq!(custom.add("d", Type::Bool), Err(NoPlaceLeft(3)));
        assert!(custom.rename("Bool02", ""));
        assert_eq!(custom.add("d", Type::Bool), Ok(()));
        assert_eq!(custom.place("d"), Some(("Bool02", Type::Bool)));
        assert!(!custom.rename("Bool02", "e"), "the place is taken");
    }

    #[test]
    fn temporals_own_names_are_reserved() {
        for name in ["WorkflowId", "BuildIds", "TemporalAnything", "Memo"] {
            assert!(is_reserved(name), "{name}");
        }
        assert!(!is_reserved("CustomTextField"));
        assert!(is_mappable("TemporalAnything"));
    }
}
