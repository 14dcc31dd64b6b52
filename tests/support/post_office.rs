//! A mail provider of its own: speaks SMTP on a port of this machine, and is in
//! the mood that the test says.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What it says to every recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Takes,
    /// No, for good.
    Refuses,
    /// Not now.
    Later,
    /// Takes it, and never says so.
    Silent,
}

pub struct PostOffice {
    port: u16,
    desk: Arc<Mutex<Desk>>,
    thread: Option<JoinHandle<()>>,
}

struct Desk {
    mood: Mood,
    open: bool,
    /// Recipients of the mails that were taken.
    taken: Vec<String>,
    message_ids: Vec<String>,
    /// How often it was asked to take one.
    asked: usize,
}

impl PostOffice {
    pub fn open(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let desk = Arc::new(Mutex::new(Desk { mood, open: true, taken: vec![], message_ids: vec![], asked: 0 }));
        let own = desk.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if !own.lock().unwrap().open {
                    return;
                }
                let own = own.clone();
                std::thread::spawn(move || drop(converse(stream, &own)));
            }
        });
        Self { port, desk, thread: Some(thread) }
    }

    /// The setting `mail` that leads here.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}?tls=never", self.port)
    }

    pub fn is_now(&self, mood: Mood) {
        self.desk.lock().unwrap().mood = mood;
    }

    pub fn taken(&self) -> Vec<String> {
        self.desk.lock().unwrap().taken.clone()
    }

    /// Of the mails that were taken, in the same order.
    pub fn message_ids(&self) -> Vec<String> {
        self.desk.lock().unwrap().message_ids.clone()
    }

    pub fn asked(&self) -> usize {
        self.desk.lock().unwrap().asked
    }
}

impl Drop for PostOffice {
    fn drop(&mut self) {
        if let Ok(mut desk) = self.desk.lock() {
            desk.open = false;
        }
        // The thread waits for a caller: this is the last one.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn converse(mut stream: TcpStream, desk: &Mutex<Desk>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut recipient = String::new();
    stream.write_all(b"220 office.example ESMTP\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let answer = match word.as_str() {
            "EHLO" => "250-office.example\r\n250-8BITMIME\r\n250 SMTPUTF8",
            "RCPT" => {
                let mut desk = desk.lock().unwrap();
                desk.asked += 1;
                recipient = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                match desk.mood {
                    Mood::Takes | Mood::Silent => "250 fine",
                    Mood::Refuses => "550 5.1.1 no such mailbox",
                    Mood::Later => "451 4.3.0 not now",
                }
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                let mut message_id = String::new();
                while let Some(line) = lines.next().transpose()?.filter(|line| line != ".") {
                    if let Some(id) = line.strip_prefix("Message-ID: ") {
                        message_id = id.to_owned();
                    }
                }
                let mood = {
                    let mut desk = desk.lock().unwrap();
                    desk.taken.push(std::mem::take(&mut recipient));
                    desk.message_ids.push(message_id);
                    desk.mood
                };
                if mood == Mood::Silent {
                    // Until the other side has gone.
                    while lines.next().transpose()?.is_some() {}
                    return Ok(());
                }
                "250 taken"
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            _ => "250 fine",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes())?;
    }
    Ok(())
}
