//! What an attribute is compared with, in the document.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use projections::limits::MAX_FILTER_VALUES;
use serde_json::Value;
use std::borrow::Cow;

/// One value, or several of which one must match; null is "has none".
pub(super) enum Filter<T> {
    One(Option<T>),
    Several(Vec<Option<T>>),
}

fn or_null<T: Type>() -> MetaSchemaRef {
    match T::schema_ref() {
        MetaSchemaRef::Inline(schema) => MetaSchemaRef::Inline(Box::new(MetaSchema { nullable: true, ..*schema })),
        named @ MetaSchemaRef::Reference(_) => named,
    }
}

impl<T: Type> Type for Filter<T> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        format!("filter_{}", T::name()).into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let several = MetaSchema {
            items: Some(Box::new(or_null::<T>())),
            max_items: Some(MAX_FILTER_VALUES),
            ..MetaSchema::new("array")
        };
        let any_of = vec![or_null::<T>(), MetaSchemaRef::Inline(Box::new(several))];
        MetaSchemaRef::Inline(Box::new(MetaSchema { any_of, ..MetaSchema::ANY }))
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl<T: ToJSON> ToJSON for Filter<T> {
    fn to_json(&self) -> Option<Value> {
        match self {
            Self::One(value) => value.to_json(),
            Self::Several(values) => values.to_json(),
        }
    }
}

impl<T: ParseFromJSON> ParseFromJSON for Filter<T> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value {
            Some(Value::Array(_)) => {
                Vec::<Option<T>>::parse_from_json(value).map(Self::Several).map_err(ParseError::propagate)
            }
            other => Option::<T>::parse_from_json(other).map(Self::One).map_err(ParseError::propagate),
        }
    }
}
