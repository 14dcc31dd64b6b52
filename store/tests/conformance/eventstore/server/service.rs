//! The three services of a node that the client asks, over tonic.

use std::{
    convert::Infallible,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tonic::{
    Request, Response, Status, Streaming,
    body::BoxBody,
    codec::ProstCodec,
    codegen::{Body, Service, StdError, http, tokio_stream},
    server::{Grpc, NamedService},
};

use super::{
    node::Node,
    wire::{AppendReq, AppendResp, Empty, ReadReq, ReadResp},
};

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Status>> + Send>>;

/// One of the node's services, by its name.
pub struct Named<N> {
    node: Arc<Node>,
    name: PhantomData<N>,
}

impl<N> Named<N> {
    pub fn new(node: &Arc<Node>) -> Self {
        Self { node: node.clone(), name: PhantomData }
    }
}

impl<N> Clone for Named<N> {
    fn clone(&self) -> Self {
        Self::new(&self.node)
    }
}

pub struct StreamsService;
pub struct FeaturesService;
pub struct GossipService;

impl NamedService for Named<StreamsService> {
    const NAME: &'static str = "event_store.client.streams.Streams";
}

impl NamedService for Named<FeaturesService> {
    const NAME: &'static str = "event_store.client.server_features.ServerFeatures";
}

impl NamedService for Named<GossipService> {
    const NAME: &'static str = "event_store.client.gossip.Gossip";
}

/// The method that takes events.
struct AppendCall(Arc<Node>);

/// The method that gives them back.
struct ReadCall(Arc<Node>);

/// A method with one answer for everybody.
struct Told<A>(A);

impl Service<Request<Streaming<AppendReq>>> for AppendCall {
    type Response = Response<AppendResp>;
    type Error = Status;
    type Future = Answer<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, asked: Request<Streaming<AppendReq>>) -> Self::Future {
        let node = self.0.clone();
        Box::pin(async move {
            node.check_leads(asked.metadata())?;
            let mut parts = asked.into_inner();
            let mut whole = Vec::new();
            while let Some(part) = parts.message().await? {
                whole.extend(part.content);
            }
            node.append(whole).await.map(Response::new)
        })
    }
}

impl Service<Request<ReadReq>> for ReadCall {
    type Response = Response<tokio_stream::Iter<std::vec::IntoIter<Result<ReadResp, Status>>>>;
    type Error = Status;
    type Future = Answer<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, asked: Request<ReadReq>) -> Self::Future {
        let node = self.0.clone();
        Box::pin(async move {
            node.check_leads(asked.metadata())?;
            let answers = node.read(asked.into_inner()).await?;
            let answers: Vec<Result<ReadResp, Status>> = answers.into_iter().map(Ok).collect();
            Ok(Response::new(tokio_stream::iter(answers)))
        })
    }
}

impl<A: Clone + Send + 'static> Service<Request<Empty>> for Told<A> {
    type Response = Response<A>;
    type Error = Status;
    type Future = Answer<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Empty>) -> Self::Future {
        let told = self.0.clone();
        Box::pin(async move { Ok(Response::new(told)) })
    }
}

impl<N, B> Service<http::Request<B>> for Named<N>
where
    N: 'static,
    B: Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<BoxBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, asked: http::Request<B>) -> Self::Future {
        let node = self.node.clone();
        Box::pin(async move {
            let path = asked.uri().path().to_owned();
            if let Some(refused) = node.turns_away(&path, asked.headers()) {
                return Ok(refused);
            }
            Ok(match path.rsplit_once('.').map_or("", |(_, method)| method) {
                "Streams/Append" => Grpc::new(ProstCodec::default()).client_streaming(AppendCall(node), asked).await,
                "Streams/Read" => Grpc::new(ProstCodec::default()).server_streaming(ReadCall(node), asked).await,
                "ServerFeatures/GetSupportedMethods" => {
                    Grpc::new(ProstCodec::default()).unary(Told(node.features()), asked).await
                }
                "Gossip/Read" => Grpc::new(ProstCodec::default()).unary(Told(node.gossip()), asked).await,
                _ => Status::unimplemented(path).into_http(),
            })
        })
    }
}
