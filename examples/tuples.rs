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
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut left = u64::MAX;
    if arguments.first().is_some_and(|first| first == "-c")
        && let Some(count) = arguments.get(1).and_then(|count| count.parse().ok())
    {
        left = count;
        arguments.drain(..2);
    }
    let [from] = arguments.as_slice() else {
        eprintln!("usage: tuples [-c COUNT] FILE|ADDR/PORT");
        return ExitCode::from(2);
    };
    match print(from, left) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tuples: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print(from: &str, mut left: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut input = match from.parse::<SocketRange>() {
        Ok(sockets) if !Path::new(from).exists() => Input::listen(sockets)?,
        _ => Input::file(Path::new(from))?,
    };
    let mut out = io::stdout().lock();
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
