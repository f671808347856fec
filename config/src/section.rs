//! One table of the file, read field by field: whatever nobody asked for is unknown, and a mistake in one field does
//! not hide the next.

use crate::finding::{Report, Span};
use crate::identity::looks_like_key;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A table whose fields are being read.
pub struct Section<'t> {
    name: &'static str,
    table: &'t DeTable<'t>,
    known: Vec<&'static str>,
    /// Where it stands; the root stands nowhere.
    pub span: Option<Span>,
}

impl<'t> Section<'t> {
    /// The whole file.
    pub fn root(table: &'t DeTable<'t>) -> Self {
        Self { name: "", table, known: vec![], span: None }
    }

    /// `[name]`.
    pub fn section(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<Section<'t>> {
        let value = self.value(name)?;
        let section = as_section(name, value);
        if section.is_none() {
            report.error(value.span(), name, format!("must be a table, [{name}], not {}", kind(value.get_ref())));
        }
        section
    }

    /// `[[name]]`, any number of them.
    pub fn sections(&mut self, name: &'static str, report: &mut Report<'_>) -> Vec<Section<'t>> {
        let Some(value) = self.value(name) else { return vec![] };
        let mut sections = vec![];
        match value.get_ref() {
            DeValue::Array(items) => {
                for item in items.iter() {
                    match as_section(name, item) {
                        Some(section) => sections.push(section),
                        None => report.error(item.span(), name, format!("each must be a table, [[{name}]]")),
                    }
                }
            }
            other => {
                let message = format!("must be a list of tables, [[{name}]], not {}", kind(other));
                report.error(value.span(), name, message);
            }
        }
        sections
    }

    /// `[name]` once, or `[[name]]` any number of times.
    pub fn one_or_more(&mut self, name: &'static str, report: &mut Report<'_>) -> Vec<Section<'t>> {
        match self.table.get(name).map(Spanned::get_ref) {
            Some(DeValue::Array(_)) => self.sections(name, report),
            _ => self.section(name, report).into_iter().collect(),
        }
    }

    /// The raw value, if it is there.
    pub fn value(&mut self, field: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.known.push(field);
        self.table.get(field)
    }

    /// A string without a word about it: whoever peeks reads the field again.
    pub fn peek(&self, field: &str) -> Option<&'t str> {
        self.table.get(field)?.get_ref().as_str()
    }

    /// The strings of a list, likewise.
    pub fn peek_list(&self, field: &str) -> impl Iterator<Item = &'t str> + use<'t> {
        let list = self.table.get(field).and_then(|value| value.get_ref().as_array());
        list.into_iter().flat_map(|items| items.iter()).filter_map(|item| item.get_ref().as_str())
    }

    /// Where a field stands.
    pub fn span_of(&self, field: &str) -> Option<Span> {
        self.table.get(field).map(Spanned::span)
    }

    /// A string, as it stands.
    pub fn string(&mut self, field: &'static str, report: &mut Report<'_>) -> Option<(&'t str, Span)> {
        let value = self.value(field)?;
        let string = value.get_ref().as_str();
        if string.is_none() {
            let message = format!("must be a string in quotation marks, not {}", kind(value.get_ref()));
            report.error(value.span(), self.path(field), message);
        }
        Some((string?, value.span()))
    }

    /// A string that means a `T`. What cannot be parsed leaves `into` as it was.
    pub fn parse<T>(
        &mut self,
        field: &'static str,
        into: &mut T,
        report: &mut Report<'_>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) {
        let Some((text, span)) = self.string(field, report) else { return };
        match parse(text) {
            Ok(value) => *into = value,
            Err(message) => report.error(span, self.path(field), message),
        }
    }

    /// A whole number, as it stands, that means a `T`.
    pub fn number<T>(
        &mut self,
        field: &'static str,
        into: &mut T,
        report: &mut Report<'_>,
        parse: impl FnOnce(u64) -> Result<T, String>,
    ) {
        let Some(value) = self.value(field) else { return };
        let number = match value.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        match number.ok_or_else(|| "must be a whole number, zero or more".to_owned()).and_then(parse) {
            Ok(value) => *into = value,
            Err(message) => report.error(value.span(), self.path(field), message),
        }
    }

    /// `true` or `false`.
    pub fn flag(&mut self, field: &'static str, into: &mut bool, report: &mut Report<'_>) {
        let Some(value) = self.value(field) else { return };
        match value.get_ref() {
            DeValue::Boolean(flag) => *into = *flag,
            other => {
                report.error(value.span(), self.path(field), format!("must be true or false, not {}", kind(other)));
            }
        }
    }

    /// A list of strings, each of which means a `T`; none twice, and at least one.
    pub fn list<T: PartialEq>(
        &mut self,
        field: &'static str,
        into: &mut Vec<T>,
        report: &mut Report<'_>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) {
        let Some(value) = self.value(field) else { return };
        let path = self.path(field);
        let DeValue::Array(items) = value.get_ref() else {
            let message = format!("must be a list of strings in brackets, not {}", kind(value.get_ref()));
            return report.error(value.span(), path, message);
        };
        if items.is_empty() {
            return report.error(value.span(), path, "the list is empty");
        }
        let mut list = vec![];
        for item in items.iter() {
            let Some(text) = item.get_ref().as_str() else {
                let message = format!("must hold strings in quotation marks, not {}", kind(item.get_ref()));
                report.error(item.span(), &path, message);
                continue;
            };
            match parse(text) {
                Ok(value) if list.contains(&value) => {
                    report.error(item.span(), &path, format!("{text:?} is there twice"))
                }
                Ok(value) => list.push(value),
                Err(message) => report.error(item.span(), &path, message),
            }
        }
        if !list.is_empty() {
            *into = list;
        }
    }

    /// All fields were asked for; what is left is unknown. It is not quoted where it may be a key.
    pub fn finish(self, report: &mut Report<'_>) {
        let known = self.known.join(", ");
        for (key, _) in self.table.iter().filter(|(key, _)| !self.known.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref().as_ref();
            let name = if looks_like_key(name) { "(not shown)" } else { name };
            match self.name {
                "" => report.error(key.span(), name, format!("there is no such section; there are {known}")),
                // What stands where the name of a field should may be a key.
                "psk" => report.error(key.span(), "psk", format!("there is no such field here; there are {known}")),
                _ => report.error(key.span(), self.path(name), format!("there is no such field; there are {known}")),
            }
        }
    }

    fn path(&self, field: &str) -> String {
        format!("{}.{field}", self.name)
    }
}

fn as_section<'t>(name: &'static str, value: &'t Spanned<DeValue<'t>>) -> Option<Section<'t>> {
    let DeValue::Table(table) = value.get_ref() else { return None };
    Some(Section { name, table, known: vec![], span: Some(value.span()) })
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
