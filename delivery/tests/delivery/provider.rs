//! An HTTP server that answers as it is told and remembers what it was asked.

use delivery::TransportOptions;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

#[derive(Clone, Debug)]
pub enum Reply {
    Json(u16, String),
    /// The request is read and never answered.
    Hang,
    /// The request is read and the connection closed.
    Close,
    /// Answered as sent once [`Provider::let_go`] is called.
    SentLater,
}

impl Reply {
    pub fn status(status: &str) -> Self {
        Self::Json(200, format!(r#"[{{"email":"x@y.example","status":"{status}","_id":"1"}}]"#))
    }

    pub fn rejected(reason: &str) -> Self {
        let text = r#"[{"email":"x@y.example","status":"rejected","reject_reason":"REASON","_id":"1"}]"#;
        Self::Json(200, text.replace("REASON", reason))
    }

    pub fn error(name: &str) -> Self {
        Self::Json(500, format!(r#"{{"status":"error","code":-1,"name":"{name}","message":"secret words"}}"#))
    }
}

pub struct Provider {
    address: String,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    asked: watch::Sender<Vec<(String, Value)>>,
    gate: Arc<Notify>,
}

impl Provider {
    /// Answers these, and then always "sent".
    pub async fn answering(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Arc::new(Self {
            address: listener.local_addr().unwrap().to_string(),
            replies: Arc::new(Mutex::new(replies.into_iter().collect())),
            asked: watch::Sender::new(vec![]),
            gate: Arc::new(Notify::new()),
        });
        let server = provider.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let server = server.clone();
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        provider
    }

    pub fn transport(&self) -> TransportOptions {
        format!("mandrill://Key-1@{}", self.address).parse().unwrap()
    }

    /// Paths and bodies of the requests so far.
    pub fn asked(&self) -> Vec<(String, Value)> {
        self.asked.borrow().clone()
    }

    /// Waits until there were so many requests.
    pub async fn was_asked(&self, times: usize) {
        self.asked.subscribe().wait_for(|asked| asked.len() >= times).await.unwrap();
    }

    pub fn let_go(&self) {
        self.gate.notify_one();
    }

    /// Message-IDs in the order of the requests.
    pub fn message_ids(&self) -> Vec<String> {
        let id = |body: &Value| body["message"]["headers"]["Message-ID"].as_str().unwrap().to_owned();
        self.asked().iter().map(|(_, body)| id(body)).collect()
    }

    pub fn recipients(&self) -> Vec<String> {
        let to = |body: &Value| body["message"]["to"][0]["email"].as_str().unwrap().to_owned();
        self.asked().iter().map(|(_, body)| to(body)).collect()
    }

    async fn serve(&self, mut stream: TcpStream) {
        loop {
            let Some((path, body)) = read_request(&mut stream).await else { return };
            let reply = self.replies.lock().unwrap().pop_front().unwrap_or_else(|| Reply::status("sent"));
            self.asked.send_modify(|asked| asked.push((path, body)));
            let (status, text) = match reply {
                Reply::Json(status, text) => (status, text),
                Reply::Close => return,
                Reply::Hang => std::future::pending().await,
                Reply::SentLater => {
                    self.gate.notified().await;
                    (200, r#"[{"email":"x@y.example","status":"sent","_id":"1"}]"#.to_owned())
                }
            };
            let head =
                format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}", text.len());
            stream.write_all(format!("{head}\r\n\r\n{text}").as_bytes()).await.unwrap();
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<(String, Value)> {
    let mut bytes = vec![];
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let length = text.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let whole = head + length.unwrap_or(0_usize);
    while bytes.len() < whole {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let path = text.split(' ').nth(1).unwrap().to_owned();
    Some((path, serde_json::from_slice(&bytes[head..whole]).unwrap()))
}
