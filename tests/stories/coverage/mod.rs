//! Every operation of the four documents meets its callers: the rightful one,
//! nobody, one of another tenant, one who sends nonsense, one who names what is
//! not there. An operation that a document gains is missed here at once.

mod envelope;
mod jsonapi;
mod operator;
mod platform;
mod world;

use crate::support::wire::{Answer, Request};
use openapi::Dialect;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use uuid::Uuid;
use world::World;

/// Makes what the request needs, and the request, without a token.
type Make = fn(&World) -> Request;
/// Whose token it carries.
type By = fn(&World) -> String;

/// One thing that is sent, and the status it is answered with.
#[derive(Clone, Copy)]
enum Case {
    /// The request that succeeds.
    Same(u16),
    /// The request that succeeds, changed.
    Altered(u16, fn(Request) -> Request),
    /// Another one.
    Other(u16, Make),
    /// The request that succeeds, with the last parameter of its path naming nothing.
    UnknownId(u16),
}

impl Case {
    fn status(self) -> u16 {
        let (Self::Same(status) | Self::Altered(status, _) | Self::Other(status, _) | Self::UnknownId(status)) = self;
        status
    }
}

/// What a column of the table holds.
#[derive(Clone, Copy)]
enum Cell {
    Sent(&'static [Case]),
    /// There is no such case, for this reason.
    Senseless(&'static str),
}

/// An operation and its cases.
struct Row {
    /// As the document has it: method and path.
    operation: &'static str,
    by: By,
    /// Status and request of the good case.
    happy: (u16, Make),
    nobody: Cell,
    foreign: Cell,
    malformed: Cell,
    unknown: Cell,
}

const COLUMNS: [&str; 5] = ["happy", "nobody", "foreign", "malformed", "unknown"];

impl Row {
    fn path(&self) -> &'static str {
        self.operation.split_once(' ').unwrap().1
    }

    fn cell(&self, column: &str) -> Cell {
        match column {
            "happy" => Cell::Sent(&[]),
            "nobody" => self.nobody,
            "foreign" => self.foreign,
            "malformed" => self.malformed,
            _ => self.unknown,
        }
    }
}

fn with_query(mut request: Request, more: &str) -> Request {
    let sign = if request.target.contains('?') { '&' } else { '?' };
    write!(request.target, "{sign}{more}").unwrap();
    request
}

/// A query parameter that no operation has.
fn odd_query(request: Request) -> Request {
    with_query(request, "colour=red")
}

fn half_json(mut request: Request) -> Request {
    let body = request.body.as_mut().expect("a body to cut");
    body.truncate(body.len() - 1);
    request
}

/// In a type that no operation answers in.
fn as_a_picture(request: Request) -> Request {
    request.header("Accept", "image/png")
}

/// The last parameter of the path names something that is well-formed and nowhere.
fn unknown_id(mut request: Request, template: &str) -> Request {
    let (path, query) = match request.target.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (request.target.clone(), None),
    };
    let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
    let at = template.split('/').collect::<Vec<_>>().iter().rposition(|part| part.starts_with('{'));
    let at = at.unwrap_or_else(|| panic!("{template} has no parameter"));
    parts[at] = match parts[at].as_str() {
        uuid if Uuid::try_parse(uuid).is_ok() => Uuid::now_v7().to_string(),
        number if number.bytes().all(|byte| byte.is_ascii_digit()) => "987654321".to_owned(),
        mail if mail.contains('/') || mail.contains(':') => "nothing:of:that:kind".to_owned(),
        _ => "nobody-here".to_owned(),
    };
    request.target = parts.join("/");
    match query {
        Some(query) => with_query(request, &query),
        None => request,
    }
}

/// What the documents say: for each operation its answers, status and media types.
type Declared = BTreeMap<String, BTreeMap<String, Vec<String>>>;

fn declared(document: &str) -> Declared {
    let document: Value = serde_json::from_str(document).unwrap();
    let mut all = Declared::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let answers = operation["responses"].as_object().unwrap().iter().map(|(status, response)| {
                let media = response["content"].as_object().into_iter().flat_map(|content| content.keys().cloned());
                (status.clone(), media.map(|media| essence(&media)).collect())
            });
            all.insert(format!("{} {path}", method.to_uppercase()), answers.collect());
        }
    }
    all
}

fn essence(media: &str) -> String {
    media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A dialect's table, told to a house of its own.
struct Telling<'a> {
    world: &'a World,
    declared: &'a Declared,
    faults: Vec<String>,
    reasons: Vec<String>,
    sent: usize,
}

impl Telling<'_> {
    fn tell(&mut self, row: &Row) {
        for column in COLUMNS {
            match row.cell(column) {
                Cell::Senseless(reason) => self.reasons.push(format!("{} {column}: {reason}", row.operation)),
                Cell::Sent(_) if column == "happy" => drop(self.ask(row, column, Case::Same(row.happy.0))),
                Cell::Sent([]) => self.faults.push(format!("{} has no case of {column}", row.operation)),
                Cell::Sent(cases) => cases.iter().for_each(|case| drop(self.ask(row, column, *case))),
            }
        }
        self.foreign_and_unknown_answer_the_same(row);
    }

    fn ask(&mut self, row: &Row, column: &str, case: Case) -> Answer {
        let (status, request) = match case {
            Case::Same(status) => (status, (row.happy.1)(self.world)),
            Case::Altered(status, alter) => (status, alter((row.happy.1)(self.world))),
            Case::Other(status, make) => (status, make(self.world)),
            Case::UnknownId(status) => (status, unknown_id((row.happy.1)(self.world), row.path())),
        };
        let request = match column {
            "nobody" => request,
            "foreign" => request.bearer(&self.world.foreigner),
            _ => request.bearer(&(row.by)(self.world)),
        };
        let answer = self.world.house.send(&request);
        self.sent += 1;
        let what = format!("{} {column}: {} {}", row.operation, request.method, request.target);
        self.judge(row, &what, status, &answer);
        if column == "foreign" && answer.text().to_lowercase().contains(world::CANARY) {
            self.faults.push(format!("{what}: names what is another tenant's: {}", answer.text()));
        }
        answer
    }

    fn judge(&mut self, row: &Row, what: &str, status: u16, answer: &Answer) {
        if answer.status != status {
            self.faults.push(format!("{what}: {} instead of {status}: {}", answer.status, answer.text()));
        }
        let Some(media) = self.declared.get(row.operation).and_then(|a| a.get(&answer.status.to_string())) else {
            self.faults.push(format!("{what}: {} is not in the document", answer.status));
            return;
        };
        let came = answer.header("content-type").map(essence);
        let fits = match &came {
            Some(came) => media.contains(came),
            None => media.is_empty(),
        };
        if !fits {
            self.faults.push(format!("{what}: {} as {came:?}, the document has {media:?}", answer.status));
        }
    }

    /// Whoever asks for another tenant's thing learns as little as of one that never was.
    fn foreign_and_unknown_answer_the_same(&mut self, row: &Row) {
        let refused = |cell: Cell| match cell {
            Cell::Sent(cases) => cases.iter().find(|case| case.status() == 404).copied(),
            Cell::Senseless(_) => None,
        };
        let (Some(foreign), Some(unknown)) = (refused(row.foreign), refused(row.unknown)) else { return };
        let (foreign, unknown) = (self.ask(row, "foreign", foreign), self.ask(row, "unknown", unknown));
        if foreign.text() != unknown.text() {
            let what = format!("{} tells a foreign thing from none", row.operation);
            self.faults.push(format!("{what}: {} and {}", foreign.text(), unknown.text()));
        }
    }
}

#[expect(clippy::print_stdout, reason = "who runs it with --nocapture reads what has no case, and why")]
fn tell(dialect: Dialect, tables: &[&[Row]]) {
    let world = World::new();
    let served = world.house.visitor().get(&format!("/docs/{dialect}.json")).expect(200).text();
    assert_eq!(served, openapi::document(dialect), "what is served is what is checked in");
    let declared = declared(&served);
    let rows: Vec<&Row> = tables.iter().copied().flatten().collect();
    let mut told: Vec<&str> = rows.iter().map(|row| row.operation).collect();
    told.sort_unstable();
    let known: Vec<&str> = declared.keys().map(String::as_str).collect();
    assert_eq!(told, known, "operations with cases (left), operations of the document (right)");
    let mut telling = Telling { world: &world, declared: &declared, faults: vec![], reasons: vec![], sent: 0 };
    rows.iter().for_each(|row| telling.tell(row));
    println!("{dialect}: {} operations, {} requests; without a case:", rows.len(), telling.sent);
    telling.reasons.iter().for_each(|reason| println!("  {reason}"));
    world.settle();
    let unreasoned: Vec<&String> =
        telling.reasons.iter().filter(|r| r.split(": ").last().is_none_or(|r| r.len() < 10)).collect();
    assert!(unreasoned.is_empty(), "{unreasoned:?}");
    assert!(telling.faults.is_empty(), "\n{}", telling.faults.join("\n"));
}

#[test]
fn every_operation_of_the_envelope_dialect_meets_its_callers() {
    tell(Dialect::Envelope, &[envelope::ROWS]);
}

#[test]
fn every_operation_of_the_platform_dialect_meets_its_callers() {
    tell(Dialect::Platform, &[platform::ROWS]);
}

#[test]
fn every_operation_of_the_jsonapi_dialect_meets_its_callers() {
    tell(Dialect::Jsonapi, &[jsonapi::ROWS]);
}

#[test]
fn every_operation_of_the_operator_dialect_meets_its_callers() {
    tell(Dialect::Operator, &[operator::DIRECTORY, operator::LEDGER]);
}
