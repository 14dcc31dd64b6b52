//! Parameters: documented with their schema, handed over as the text that came.

use super::routes::parameter;
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaParamIn, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use std::marker::PhantomData;
use uuid::Uuid;

/// A UUID as the contract writes them: 36 characters with hyphens.
#[must_use]
pub fn uuid(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}

/// The query's names and values, decoded, in the order they came.
#[must_use]
pub fn query(request: &Request) -> Vec<(String, String)> {
    request.params().unwrap_or_default()
}

/// A part of the path, percent-decoded.
pub struct PathParam<T> {
    pub text: String,
    described: PhantomData<fn() -> T>,
}

impl<T> PathParam<T> {
    /// The id it stands for, if it is one.
    #[must_use]
    pub fn uuid(&self) -> Option<Uuid> {
        uuid(&self.text)
    }
}

/// A query parameter, in the document; its value is read with [`query`].
pub struct QueryParam<T>(PhantomData<fn() -> T>);

/// A request header, in the document; its value is read from the request.
pub struct HeaderParam<T>(PhantomData<fn() -> T>);

macro_rules! described_parameter {
    ($name:ident, $place:expr, $required:expr, |$request:ident, $options:ident| $make:expr) => {
        impl<'a, T: Type> ApiExtractor<'a> for $name<T> {
            const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
            const PARAM_IS_REQUIRED: bool = $required;
            type ParamType = T;
            type ParamRawType = T::RawValueType;

            fn register(registry: &mut Registry) {
                T::register(registry);
            }

            fn param_in() -> Option<MetaParamIn> {
                Some($place)
            }

            fn param_schema_ref() -> Option<MetaSchemaRef> {
                Some(T::schema_ref())
            }

            async fn from_request(
                $request: &'a Request,
                _: &mut RequestBody,
                $options: ExtractParamOptions<Self::ParamType>,
            ) -> Result<Self> {
                Ok($make)
            }
        }
    };
}

described_parameter!(PathParam, MetaParamIn::Path, true, |request, options| Self {
    // The shell found the route, so the part is there.
    text: parameter(super::arrival(request).route, request.uri().path(), options.name).unwrap_or_default().into_owned(),
    described: PhantomData,
});
described_parameter!(QueryParam, MetaParamIn::Query, T::IS_REQUIRED, |_request, _options| Self(PhantomData));
described_parameter!(HeaderParam, MetaParamIn::Header, T::IS_REQUIRED, |_request, _options| Self(PhantomData));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        assert!(uuid("8646b67b-9a28-4de7-bd0e-27adacc99e45").is_some());
        assert!(uuid("8646B67B-9A28-4DE7-BD0E-27ADACC99E45").is_some());
        for wrong in ["", "1", "8646b67b9a284de7bd0e27adacc99e45", "{8646b67b-9a28-4de7-bd0e-27adacc99e45}"] {
            assert_eq!(uuid(wrong), None, "{wrong}");
        }
    }
}
