use airtally::{
    capture::{Polled, Source},
    dot11::{self, Outcome},
};
use std::time::Instant;
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let path = std::path::Path::new(&path);
    for round in 0..3 {
        for mode in ["read", "parse", "parse+use"] {
            let t = Instant::now();
            let (mut n, mut x) = (0u64, 0u64);
            let mut s = Source::open_file(path).unwrap();
            loop {
                let p = match mode {
                    "read" => s.poll(&mut |p| {
                        n += 1;
                        x = x.wrapping_add(p.data.len() as u64)
                    }),
                    "parse" => s.poll(&mut |p| {
                        n += 1;
                        let f = dot11::parse(p.link, p.data, p.original_len);
                        if let Outcome::Sent(m) = f.outcome {
                            x = x.wrapping_add(m.to_u64())
                        }
                    }),
                    _ => s.poll(&mut |p| {
                        n += 1;
                        let f = std::hint::black_box(dot11::parse(p.link, p.data, p.original_len));
                        if let Outcome::Sent(m) = f.outcome {
                            x = x.wrapping_add(m.to_u64())
                        }
                    }),
                }
                .unwrap();
                if p == Polled::End {
                    break;
                }
            }
            let d = t.elapsed();
            println!("{round} {mode}: {n} frames {:.1} ns/frame ({x:x})", d.as_nanos() as f64 / n as f64);
        }
    }
}
