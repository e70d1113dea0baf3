//! Every way in, and every way that looks like one.
#![allow(clippy::unwrap_used)]

use super::*;
use axum::http::Request;

fn head(headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().uri("/stations?q=a&x=/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn access(rules: Rules, listen: &str) -> Access {
    Access::new(rules, listen.parse().unwrap())
}

fn password() -> Option<Password> {
    Some(Password::new(&crate::web::password::hash("correct-horse").unwrap()).unwrap())
}

const OWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn status(access: &Access, peer: IpAddr, headers: &[(&str, &str)]) -> u16 {
    access.viewer(&head(headers), peer).map_or_else(|answer| answer.status().as_u16(), |_| 200)
}

#[test]
fn without_a_login_only_this_machine_by_its_own_names() {
    let open = access(Rules::default(), "127.0.0.1:8780");
    assert!(open.has_viewers());
    for host in ["localhost:8780", "127.0.0.1:8780", "[::1]:8780", "a.localhost"] {
        assert_eq!(status(&open, OWN, &[("host", host)]), 200, "{host}");
    }
    for host in ["rebind.example", "192.168.1.5", "localhost.example", "pi.local"] {
        assert_eq!(status(&open, OWN, &[("host", host)]), 403, "{host}");
    }
    for name in ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "via", "x-real-ip"] {
        assert_eq!(status(&open, OWN, &[("host", "localhost"), (name, "x")]), 403, "{name}");
    }
    assert_eq!(status(&open, IpAddr::from([10, 0, 0, 1]), &[("host", "localhost")]), 403);
    let mut old = head(&[("host", "127.0.0.1:8780")]);
    old.version = Version::HTTP_10;
    assert!(open.viewer(&old, OWN).is_err(), "a proxy that says nothing of itself");
    assert!(!access(Rules::default(), "0.0.0.0:8780").has_viewers());
    assert!(!access(Rules::default(), "192.168.1.5:8780").has_viewers());
}

#[test]
fn other_pages_ask_for_nothing_and_people_may_come_from_anywhere() {
    let open = access(Rules::default(), "127.0.0.1:8780");
    let asked = |headers: &[(&str, &str)]| status(&open, OWN, &[&[("host", "localhost:8780")], headers].concat());
    assert_eq!(asked(&[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")]), 200);
    assert_eq!(asked(&[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")]), 200);
    let visit = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    assert_eq!(asked(&visit), 200);
    for (site, mode, dest) in [
        ("cross-site", "cors", "empty"),
        ("same-site", "cors", "empty"),
        ("cross-site", "no-cors", "image"),
        ("cross-site", "navigate", "iframe"),
    ] {
        let headers = [("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)];
        assert_eq!(asked(&headers), 403, "{site} {mode} {dest}");
    }
    for (origin, expected) in [
        ("http://localhost:8780", 200),
        ("http://localhost:3000", 403),
        ("https://localhost", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ] {
        assert_eq!(asked(&[("origin", origin)]), expected, "{origin}");
    }
    let proxied = head(&[("host", "pi.example")]);
    assert!(
        is_origin_of("https://pi.example", &proxied)
            && is_origin_of("http://pi.example:80", &head(&[("host", "pi.example:80")]))
    );
}

#[test]
fn with_a_password_everybody_logs_in() {
    let access = access(Rules { password: password(), tls: true, ..Rules::default() }, "127.0.0.1:8780");
    let host = ("host", "localhost");
    assert_eq!(status(&access, OWN, &[host]), 401);
    assert_eq!(status(&access, OWN, &[host, ("cookie", "airtally-session=x")]), 401);
    let way = access.viewer(&head(&[host, ("accept", "text/html,*/*")]), OWN).unwrap_err();
    assert_eq!(way.status(), 303);
    assert_eq!(way.headers()[header::LOCATION], "/login?next=%2Fstations%3Fq%3Da%26x%3D%2F");
    let cookie = access.begin();
    assert!(cookie.ends_with("; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict; Secure"), "{cookie}");
    let shown = format!("other=1; {}", cookie.split(';').next().unwrap());
    assert_eq!(access.viewer(&head(&[host, ("cookie", &shown)]), OWN).unwrap(), Entry::LoggedIn);
    assert!(access.end(&head(&[("cookie", &shown)]).headers).contains("Max-Age=0"));
    assert_eq!(status(&access, OWN, &[host, ("cookie", &shown)]), 401);
}

#[test]
fn a_proxys_word_counts_from_the_proxy_alone() {
    let rules = Rules {
        proxies: vec!["10.0.0.0/30".parse().unwrap(), "::1/128".parse().unwrap()],
        proxy_header: Some(HeaderName::from_static("remote-user")),
        ..Rules::default()
    };
    let access = access(rules, "127.0.0.1:8780");
    let proxy = IpAddr::from([10, 0, 0, 1]);
    assert_eq!(status(&access, proxy, &[("host", "a.example"), ("remote-user", "ada")]), 200);
    assert_eq!(status(&access, "::ffff:10.0.0.1".parse().unwrap(), &[("remote-user", "ada")]), 200);
    assert_eq!(status(&access, proxy, &[("remote-user", "")]), 403);
    assert_eq!(status(&access, proxy, &[]), 403);
    assert_eq!(status(&access, IpAddr::from([10, 0, 0, 9]), &[("remote-user", "ada")]), 403);
    assert_eq!(status(&access, OWN, &[("host", "localhost")]), 403, "no way around the proxy");
}

#[test]
fn metrics_are_for_their_token_and_for_viewers() {
    let with = || Rules { metrics: Some(Token::new("scrape")), ..Rules::default() };
    let collects = |access: &Access, headers: &[(&str, &str)]| {
        access.collector(&head(headers), OWN).map_or_else(|answer| answer.status().as_u16(), |()| 200)
    };
    let elsewhere = access(with(), "0.0.0.0:8780");
    assert!(elsewhere.has_metrics() && !elsewhere.has_viewers());
    assert_eq!(collects(&elsewhere, &[("authorization", "Bearer scrape")]), 200);
    assert_eq!(collects(&elsewhere, &[("authorization", "Bearer other")]), 401);
    assert_eq!(collects(&elsewhere, &[("host", "localhost")]), 401);
    let here = access(with(), "127.0.0.1:8780");
    assert_eq!(collects(&here, &[("host", "localhost")]), 200);
    assert_eq!(collects(&here, &[("host", "localhost"), ("authorization", "Bearer other")]), 401);
    assert_eq!(collects(&access(Rules::default(), "127.0.0.1:8780"), &[("host", "evil.example")]), 403);
}
