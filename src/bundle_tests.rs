#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

fn pem(label: &str) -> String {
    format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n")
}

fn bundle() -> Bundle {
    Bundle {
        schema: BUNDLE_SCHEMA.into(),
        configuration: "site = \"home\"\nsensor = \"attic\"\n[mqtt]\nusername = \"home/attic\"\n[mqtt.tls]\n".into(),
        password: Some("hunter".into()),
        ca: Some(pem("CERTIFICATE")),
        certificate: Some(pem("CERTIFICATE")),
        key: Some(pem("PRIVATE KEY")),
        operator_key: Some(KEY.into()),
        site_secret: None,
    }
}

#[test]
fn what_was_written_is_read() {
    let text = bundle().write().unwrap();
    assert!(text.starts_with(BUNDLE_START));
    let (read, config) = Bundle::parse(text.as_bytes()).unwrap();
    assert!(read == bundle());
    assert_eq!((config.site.as_str(), config.sensor.as_str()), ("home", "attic"));
}

#[test]
fn each_part_that_is_wrong_is_named() {
    type Change = dyn Fn(&mut Bundle);
    let refused = |change: &Change| {
        let mut bundle = bundle();
        change(&mut bundle);
        bundle.write().unwrap_err().to_string()
    };
    let cases: Vec<(&Change, &str)> = vec![
        (&|b| b.password = Some("two\nlines".into()), "'password' is not one line"),
        (&|b| b.password = Some(String::new()), "'password' is not one line"),
        (&|b| b.ca = Some("CERTIFICATE".into()), "'ca' is no CERTIFICATE"),
        (&|b| b.ca = Some(pem("CERTIFICATE") + &pem("PRIVATE KEY")), "'ca' is no CERTIFICATE"),
        (&|b| b.key = None, "'key' and 'certificate' go together"),
        (&|b| b.operator_key = Some(pem("PUBLIC KEY")), "'operator_key' is no Ed25519"),
        (&|b| b.configuration = "sensor = \"../attic\"".into(), "line 1: sensor: '../attic' has a '/'"),
        (&|b| b.configuration = "sensor = \"..\"".into(), "line 1: sensor: '..' is no name"),
        (&|b| b.configuration = "sensr = \"attic\"".into(), "unknown field `sensr`"),
        (&|b| b.configuration.push_str("ca_file = \"/etc/shadow\"\n"), "names files"),
        (&|b| b.configuration = "[mqtt]\nusername = \"a\"".into(), "no [mqtt.tls]"),
        (&|b| b.configuration = "[mqtt.tls]".into(), "is for nobody"),
        (&|b| b.configuration.push_str(&"#".repeat(MAX_BUNDLE as usize)), "more than 256 KiB"),
    ];
    for (change, said) in cases {
        let error = refused(change);
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[test]
fn other_files_and_other_versions_are_refused_and_no_secret_is_repeated() {
    let text = bundle().write().unwrap();
    let newer = text.replace("bundle/1", "bundle/2").replace("password =", "passphrase =");
    let unknown = text.replace("password =", "passwort =");
    let half = text.split_at(text.find("hunter").unwrap() + 3).0.to_owned();
    for (octets, said) in [
        (newer.as_bytes(), "bundle of 'airtally.bundle/2'"),
        (unknown.as_bytes(), "unknown field `passwort`"),
        (half.as_bytes(), "not whole"),
        (b"site = \"home\"", "has no 'schema'"),
        (b"\xff\xfe", "not text"),
        (b"", "has no 'schema'"),
    ] {
        let error = Bundle::parse(octets).err().unwrap().to_string();
        assert!(error.contains(said) && !error.contains("hun"), "{said}: {error}");
    }
    assert!(matches!(Bundle::parse(&vec![b'#'; MAX_BUNDLE as usize + 1]), Err(BundleError::TooLarge)));
}

#[test]
fn an_operators_key_is_the_public_one() {
    assert_eq!(operator_key(&format!("{KEY}\n")).unwrap(), KEY);
    assert!(operator_key(&pem("PRIVATE KEY")).unwrap_err().contains("private key"));
    for other in ["", "ssh-ed25519 AAAA", &pem("PUBLIC KEY"), &KEY.replace("MCow", "MFkw")] {
        assert!(operator_key(other).unwrap_err().contains("no Ed25519"), "{other}");
    }
}

proptest! {
    /// Whatever was done to a bundle on its way: it is read as it was checked, or refused, and never a panic.
    #[test]
    fn damage_is_refused_or_harmless(at in any::<prop::sample::Index>(), octet in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut octets = bundle().write().unwrap().into_bytes();
        let at = at.index(octets.len());
        octets[at] = octet;
        octets.truncate(cut.index(octets.len()).max(at) + 1);
        if let Ok((bundle, _)) = Bundle::parse(&octets) {
            prop_assert!(bundle.write().is_ok());
        }
    }

    #[test]
    fn any_octets_are_refused_or_a_bundle(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Bundle::parse(&octets);
        let text = [b"schema = \"airtally.bundle/1\"\nconfiguration = \"\"\n".as_slice(), &octets].concat();
        let _ = Bundle::parse(&text);
    }
}

#[test]
fn a_secret_of_sketches_goes_with_sketches() {
    let secret = format!("2026-11-28 {}", "0f".repeat(32));
    let with = |secret: &str, more: &str| {
        let configuration = format!("{more}{}", bundle().configuration);
        Bundle { configuration, site_secret: Some(secret.into()), ..bundle() }
            .write()
            .map_err(|error| error.to_string())
    };
    let wanted = "sketch.enabled = true\n";
    let (read, config) = Bundle::parse(with(&secret, wanted).unwrap().as_bytes()).unwrap();
    assert!(read.site_secret == Some(secret.clone()) && config.sketch.enabled);
    assert!(with(&secret, "").unwrap_err().contains("the configuration has no sketches"));
    assert!(with("2026-11-28", wanted).unwrap_err().contains("is no secret of a site"));
}
