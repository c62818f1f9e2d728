//! `flatted`, the notation that log4js sends its events in: a JSON array of values, the first of
//! which is the event. Where a value has a text or another value in it, there stands instead, as a
//! text, its place in the array; so values may share others and even hold themselves.
//!
//! Values are kept as they stand, in one list; nothing is ever put together from them in memory.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::limits::{EVENT_VALUES_MAX, EVENT_WORK_MAX};

/// The values of one event.
#[derive(Debug)]
pub(super) struct Values<'a> {
    entries: Vec<Entry<'a>>,
    /// How many bytes and values may still be gone over, however often they are shown.
    work_left: Cell<usize>,
}

/// A value at a place of its own.
#[derive(Debug)]
enum Entry<'a> {
    Text(Cow<'a, str>),
    Array(Vec<Item>),
    Object(Vec<Field<'a>>),
    Plain(Item),
}

/// A name in an object, and what stands there.
pub(super) type Field<'a> = (Cow<'a, str>, Item);

/// What stands in a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    Null,
    Truth(bool),
    Number(f64),
    /// What stands at this place.
    At(usize),
}

/// A value as log4js means it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'v> {
    Undefined,
    Null,
    Truth(bool),
    Number(f64),
    Text(&'v str),
    /// With its place, which tells it from every other.
    Array(usize, &'v [Item]),
    Object(usize, &'v [Field<'v>]),
}

impl<'a> Values<'a> {
    /// The values of `text`; none if it is no flatted, or has too many of them.
    pub(super) fn read(text: &'a str) -> Option<Values<'a>> {
        let count = Cell::new(0);
        let mut reader = serde_json::Deserializer::from_str(text);
        let entries = Entries(&count).deserialize(&mut reader).ok()?;
        let work_left = Cell::new(EVENT_WORK_MAX * text.len());
        let values = Values { entries, work_left };
        reader.end().ok()?;
        values.all_places_exist().then_some(values)
    }

    fn all_places_exist(&self) -> bool {
        let exists = |item: &Item| !matches!(item, Item::At(place) if *place >= self.entries.len());
        self.entries.iter().all(|entry| match entry {
            Entry::Text(_) => true,
            Entry::Array(items) => items.iter().all(exists),
            Entry::Object(fields) => fields.iter().all(|(_, item)| exists(item)),
            Entry::Plain(item) => exists(item),
        })
    }

    /// Before so many bytes or values are gone over; none where they are too many by now.
    pub(super) fn work(&self, count: usize) -> Option<()> {
        self.work_left.set(self.work_left.get().checked_sub(count)?);
        Some(())
    }

    /// The first value.
    pub(super) fn first(&self) -> Value<'_> {
        self.value(Item::At(0))
    }

    /// What `item` is. What JSON has no word for, log4js sends as texts.
    pub(super) fn value(&self, item: Item) -> Value<'_> {
        let place = match item {
            Item::Null => return Value::Null,
            Item::Truth(truth) => return Value::Truth(truth),
            Item::Number(number) => return Value::Number(number),
            Item::At(place) => place,
        };
        match self.entries.get(place) {
            Some(Entry::Text(text)) => match &**text {
                "__LOG4JS_undefined__" => Value::Undefined,
                "__LOG4JS_NaN__" => Value::Number(f64::NAN),
                "__LOG4JS_Infinity__" => Value::Number(f64::INFINITY),
                "__LOG4JS_-Infinity__" => Value::Number(f64::NEG_INFINITY),
                text => Value::Text(text),
            },
            Some(Entry::Array(items)) => Value::Array(place, items),
            Some(Entry::Object(fields)) => Value::Object(place, fields),
            Some(Entry::Plain(Item::At(_))) | None => Value::Undefined,
            Some(Entry::Plain(item)) => self.value(*item),
        }
    }

    /// What an object has under a name.
    pub(super) fn field<'v>(&'v self, fields: &[Field<'_>], name: &str) -> Value<'v> {
        match fields.iter().rfind(|(known, _)| known == name) {
            Some((_, item)) => self.value(*item),
            None => Value::Undefined,
        }
    }

    /// The stack of an error: an object with a message and a stack, as log4js sends them.
    pub(super) fn stack<'v>(&'v self, fields: &[Field<'_>]) -> Option<&'v str> {
        match (self.field(fields, "message"), self.field(fields, "stack")) {
            (message, Value::Text(stack)) if message.is_true() && !stack.is_empty() => Some(stack),
            _ => None,
        }
    }
}

impl Value<'_> {
    /// As a condition has it.
    fn is_true(&self) -> bool {
        match self {
            Value::Undefined | Value::Null => false,
            Value::Truth(truth) => *truth,
            Value::Number(number) => *number != 0.0 && !number.is_nan(),
            Value::Text(text) => !text.is_empty(),
            Value::Array(..) | Value::Object(..) => true,
        }
    }
}

/// Counts a value; an error where there are too many.
fn count<E: Error>(count: &Cell<usize>) -> Result<(), E> {
    count.set(count.get() + 1);
    if count.get() > EVENT_VALUES_MAX { Err(E::custom("too many values")) } else { Ok(()) }
}

/// Reads the whole array.
struct Entries<'c>(&'c Cell<usize>);

impl<'a> DeserializeSeed<'a> for Entries<'_> {
    type Value = Vec<Entry<'a>>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for Entries<'_> {
    type Value = Vec<Entry<'a>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = array.next_element_seed(OneEntry(self.0))? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

/// Reads a value at a place of its own.
struct OneEntry<'c>(&'c Cell<usize>);

impl<'a> DeserializeSeed<'a> for OneEntry<'_> {
    type Value = Entry<'a>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Self::Value, D::Error> {
        count(self.0)?;
        reader.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for OneEntry<'_> {
    type Value = Entry<'a>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<Self::Value, E> {
        Ok(Entry::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Entry::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = array.next_element_seed(OneItem(self.0))? {
            items.push(item);
        }
        Ok(Entry::Array(items))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(Name(name)) = object.next_key_seed(OneName)? {
            fields.push((name, object.next_value_seed(OneItem(self.0))?));
        }
        Ok(Entry::Object(fields))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        OneItem(self.0).visit_unit().map(Entry::Plain)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Self::Value, E> {
        OneItem(self.0).visit_bool(truth).map(Entry::Plain)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        OneItem(self.0).visit_u64(number).map(Entry::Plain)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        OneItem(self.0).visit_i64(number).map(Entry::Plain)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        OneItem(self.0).visit_f64(number).map(Entry::Plain)
    }
}

/// Reads what stands in a value: nothing deeper is flatted.
struct OneItem<'c>(&'c Cell<usize>);

impl<'a> DeserializeSeed<'a> for OneItem<'_> {
    type Value = Item;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Item, D::Error> {
        count(self.0)?;
        reader.deserialize_any(self)
    }
}

impl Visitor<'_> for OneItem<'_> {
    type Value = Item;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("null, a truth value, a number or a place")
    }

    fn visit_unit<E: Error>(self) -> Result<Item, E> {
        Ok(Item::Null)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Item, E> {
        Ok(Item::Truth(truth))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Item, E> {
        Ok(Item::Number(number as f64))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Item, E> {
        Ok(Item::Number(number as f64))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Item, E> {
        Ok(Item::Number(number))
    }

    fn visit_str<E: Error>(self, place: &str) -> Result<Item, E> {
        place.parse().map(Item::At).map_err(|_| E::custom("no place"))
    }
}

/// Reads a name.
struct OneName;

struct Name<'a>(Cow<'a, str>);

impl<'a> DeserializeSeed<'a> for OneName {
    type Value = Name<'a>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Name<'a>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for OneName {
    type Value = Name<'a>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'a str) -> Result<Name<'a>, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name<'a>, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }
}
