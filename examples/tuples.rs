//! Prints the 5-tuples of NMSG, by the library: of a file, or of what comes to a socket.
//!
//! ```text
//! cargo run --example tuples -- packets.nmsg
//! cargo run --example tuples -- -c 10 127.0.0.1/8430
//! ```

use airtally::{
    nmsg::{Payload, Reader, text::five_tuple},
    nmsg_io::{Came, Input, SocketRange},
};
use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::Path,
    process::ExitCode,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (from, count) = match *arguments.as_slice() {
        [from] => (from, Some(u64::MAX)),
        ["-c", count, from] => (from, count.parse().ok()),
        _ => ("", None),
    };
    let Some(count) = count else {
        eprintln!("usage: tuples [-c COUNT] FILE|ADDR/PORT");
        return ExitCode::from(2);
    };
    match print(from, count, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tuples: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints `left` tuples of `from`, at most.
pub fn print(from: &str, mut left: u64, out: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
    let mut input = match from.parse::<SocketRange>() {
        Ok(sockets) if !Path::new(from).exists() => Input::listen(sockets)?,
        _ => Input::file(Path::new(from))?,
    };
    let mut reader = Reader::default();
    let mut line = Vec::new();
    let mut each = |payload: Payload| -> Result<ControlFlow<()>, Box<dyn std::error::Error>> {
        line.clear();
        // A message of another type, or a packet without ports, has none.
        if left > 0 && five_tuple(&payload, &mut line).is_ok() {
            out.write_all(&line)?;
            left -= 1;
        }
        Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    };
    while input.read(&mut reader, &mut each)? != Came::End {}
    if !reader.counts().is_clean() {
        eprintln!("tuples: left out or missing: {}", reader.counts());
    }
    Ok(())
}
