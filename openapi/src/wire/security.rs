//! Security schemes, in the document only: who calls is found out by
//! [`super::caller`], in the dialect's own order.

use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use std::marker::PhantomData;

/// One or more schemes, any of which is enough.
pub trait Scheme: Send + Sync + 'static {
    /// Their names in the document.
    const NAMES: &'static [&'static str];

    fn register(registry: &mut Registry);
}

/// An operation with this argument needs one of the schemes of `S`.
pub struct Secured<S>(PhantomData<fn() -> S>);

impl<'a, S: Scheme> ApiExtractor<'a> for Secured<S> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        S::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        S::NAMES.to_vec()
    }

    async fn from_request(
        _: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<Self::ParamType>,
    ) -> Result<Self> {
        Ok(Self(PhantomData))
    }
}

/// `Authorization: Bearer …`.
pub struct Bearer;

impl Scheme for Bearer {
    const NAMES: &'static [&'static str] = &["bearer"];

    fn register(registry: &mut Registry) {
        let scheme = MetaSecurityScheme {
            ty: "http",
            description: Some("The token of the deployment, of an application, or of a session."),
            name: None,
            key_in: None,
            scheme: Some("bearer"),
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme("bearer", scheme);
    }
}
