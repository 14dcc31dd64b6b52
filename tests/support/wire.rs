//! HTTP/1.1 as bytes: what a test sends is sent so, and what came back is kept
//! whole, header by header in the order it came.
//!
//! Blocking, over one socket, without a library between test and service.

use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer takes longer, the provider's word included.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// The largest answer a test reads.
const MAX_BODY: usize = 256 * 1024 * 1024;
const MAX_HEADERS: usize = 100;

/// A request as it will stand on the wire.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// In this order. `Host`, `Content-Length` and `Connection` are added where they are missing.
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
}

impl Request {
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: vec![], body: None }
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
    }

    #[must_use]
    pub fn body(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("Content-Type", media_type)
    }

    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// A JSON:API document.
    #[must_use]
    pub fn document(self, body: &Value) -> Self {
        self.body("application/vnd.api+json", body.to_string())
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// As it goes over the wire; `keep` leaves the connection open for another.
    pub fn bytes(&self, host: &str, keep: bool) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let mut add = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
        if !self.has("host") {
            add("Host", host);
        }
        for (name, value) in &self.headers {
            add(name, value);
        }
        if let (Some(body), false) = (&self.body, self.has("content-length") || self.has("transfer-encoding")) {
            add("Content-Length", &body.len().to_string());
        }
        if !keep && !self.has("connection") {
            add("Connection", "close");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }

    /// Sends it over a connection of its own.
    pub fn send(&self, address: SocketAddr) -> io::Result<Answer> {
        let mut connection = Connection::open(address)?;
        connection.stream.get_mut().write_all(&self.bytes(&address.to_string(), false))?;
        connection.read(self.method == "HEAD")
    }
}

/// An answer as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `HTTP/1.1 200 OK`
    pub status_line: String,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The only header of that name; two of them are a fault.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers(name);
        assert!(found.len() < 2, "{name} stands there {} times", found.len());
        found.first().copied()
    }

    pub fn headers(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text()))
    }

    /// The answer, if it has this status; else the test ends with what it said.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// One line per header name whose value a test may pin, then the body: for snapshots.
    pub fn shown(&self, names: &[&str]) -> String {
        let headers: Vec<String> = names
            .iter()
            .flat_map(|name| self.headers(name).into_iter().map(move |value| format!("{name}: {value}\n")))
            .collect();
        format!("{}\n{}\n{}", self.status_line, headers.concat(), self.text())
    }
}

/// A connection that is kept for the next request.
pub struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, ANSWER_WAIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WAIT))?;
        Ok(Self { stream: BufReader::new(stream), host: address.to_string() })
    }

    pub fn send(&mut self, request: &Request) -> io::Result<Answer> {
        let bytes = request.bytes(&self.host, true);
        self.stream.get_mut().write_all(&bytes)?;
        self.read(request.method == "HEAD")
    }

    /// Bytes that are no request, for tests of exactly that.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<Answer> {
        self.stream.get_mut().write_all(bytes)?;
        self.read(false)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn read(&mut self, bodiless: bool) -> io::Result<Answer> {
        let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let status_line = self.line()?;
        let code = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status: u16 = code.ok_or_else(|| bad(&status_line))?;
        let mut headers = vec![];
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| bad(&line))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
            if headers.len() > MAX_HEADERS {
                return Err(bad("too many headers"));
            }
        }
        let mut answer = Answer { status_line, status, headers, body: vec![] };
        if !bodiless && status != 204 && status != 304 {
            answer.body = self.read_body(&answer)?;
        }
        Ok(answer)
    }

    fn read_body(&mut self, answer: &Answer) -> io::Result<Vec<u8>> {
        let mut body = vec![];
        if answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).map_err(io::Error::other)?;
                self.take(size, &mut body)?;
                self.line()?;
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        match answer.header("content-length") {
            Some(length) => self.take(length.parse().map_err(io::Error::other)?, &mut body)?,
            None => drop(self.stream.read_to_end(&mut body)?),
        }
        Ok(body)
    }

    fn take(&mut self, size: usize, body: &mut Vec<u8>) -> io::Result<()> {
        let start = body.len();
        if start + size > MAX_BODY {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        body.resize(start + size, 0);
        self.stream.read_exact(&mut body[start..])
    }
}
