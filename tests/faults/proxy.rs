//! A way to a server that can be cut, closed, frozen, or made to answer like a gateway that is unwell.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// How often a connection looks whether it still may be.
const LOOK: Duration = Duration::from_millis(20);

/// What becomes of connections.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Mode {
    /// They reach the server.
    Pass,
    /// They stay open, and nothing moves.
    Stall,
    /// They are closed at once.
    Close,
    /// Each gets an HTTP answer with this status.
    Answer(u16),
    /// There is no proxy any more.
    Gone,
}

/// How things are, and how often connections were cut.
#[derive(Clone, Copy)]
struct State {
    mode: Mode,
    cuts: u64,
}

type Shared = Arc<Mutex<State>>;

fn look(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A loopback port in front of another.
pub struct Proxy {
    pub port: u16,
    state: Shared,
}

impl Proxy {
    pub fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let port = listener.local_addr().expect("its address").port();
        listener.set_nonblocking(true).expect("a listener that can be left");
        let state = Arc::new(Mutex::new(State { mode: Mode::Pass, cuts: 0 }));
        let shared = state.clone();
        thread::spawn(move || {
            while look(&shared).mode != Mode::Gone {
                match listener.accept() {
                    Ok((client, _)) => serve(client, target, &shared),
                    Err(_) => thread::sleep(LOOK / 4),
                }
            }
        });
        Self { port, state }
    }

    /// Changes what becomes of connections. Those that are open are cut, unless they are to stall or did.
    pub fn set(&self, mode: Mode) {
        let mut state = look(&self.state);
        if !matches!(mode, Mode::Pass | Mode::Stall) {
            state.cuts += 1;
        }
        state.mode = mode;
    }

    /// Cuts all that are open; new ones are welcome.
    pub fn cut(&self) {
        look(&self.state).cuts += 1;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Mode::Gone);
    }
}

fn serve(client: TcpStream, target: u16, state: &Shared) {
    let now = *look(state);
    client.set_nonblocking(false).ok();
    match now.mode {
        Mode::Close | Mode::Gone => {}
        Mode::Answer(status) => {
            thread::spawn(move || answer(client, status));
        }
        Mode::Pass | Mode::Stall => {
            // A server that is away: as if it had closed.
            let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { return };
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
                let state = state.clone();
                thread::spawn(move || carry(from, to, &state, now.cuts));
            }
        }
    }
}

fn answer(mut client: TcpStream, status: u16) {
    client.set_read_timeout(Some(LOOK)).ok();
    let mut octets = [0; 65_536];
    // All that comes at once is the request: an answer before its end would be a reset.
    while matches!(client.read(&mut octets), Ok(len) if len > 0) {}
    let body = r#"{"error":"unwell"}"#;
    let head = format!("HTTP/1.1 {status} Unwell\r\nContent-Type: application/json\r\nConnection: close\r\n");
    let _ = write!(client, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
}

fn carry(mut from: TcpStream, mut to: TcpStream, state: &Shared, cuts: u64) {
    from.set_read_timeout(Some(LOOK)).ok();
    let mut octets = [0; 65_536];
    loop {
        let now = *look(state);
        if now.cuts != cuts {
            break;
        }
        if now.mode == Mode::Stall {
            thread::sleep(LOOK);
            continue;
        }
        match from.read(&mut octets) {
            Ok(0) => break,
            Ok(len) if to.write_all(&octets[..len]).is_err() => break,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
