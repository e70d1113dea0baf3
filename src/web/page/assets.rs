//! Style sheet, script and icon: in the program, under addresses that change with what is in them, so that a browser may
//! keep them for ever.

use crate::web::{
    Request, Response, StatusCode,
    http::{With as _, of_type, refusal},
};
use axum::http::header;
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/script.js");
const ICON: &str = include_str!("assets/icon.svg");

/// Where they are.
#[derive(Debug)]
pub struct Assets {
    /// The style sheet.
    pub style: String,
    /// The script.
    pub script: String,
    /// The icon.
    pub icon: String,
}

impl Assets {
    /// Those of this program.
    #[must_use]
    pub fn ours() -> &'static Self {
        static OURS: LazyLock<Assets> = LazyLock::new(|| Assets {
            style: address("style", STYLE, "css"),
            script: address("script", SCRIPT, "js"),
            icon: address("icon", ICON, "svg"),
        });
        &OURS
    }

    /// The answer to a request for one of them.
    #[must_use]
    pub fn answer(request: &Request) -> Response {
        let ours = Self::ours();
        let item = request.item();
        let is = |address: &str| address.rsplit('/').next() == Some(item);
        let (media_type, body) = if is(&ours.style) {
            ("text/css; charset=utf-8", STYLE)
        } else if is(&ours.script) {
            ("text/javascript; charset=utf-8", SCRIPT)
        } else if is(&ours.icon) {
            ("image/svg+xml", ICON)
        } else {
            return refusal(StatusCode::NOT_FOUND, "there is no such file: reload the page that asks for it");
        };
        of_type(StatusCode::OK, media_type, body).with(header::CACHE_CONTROL, "public, max-age=31536000, immutable")
    }
}

fn address(name: &str, text: &str, extension: &str) -> String {
    let hash = Sha256::digest(text);
    let short: String = hash.iter().take(6).map(|octet| format!("{octet:02x}")).collect();
    format!("/assets/{name}-{short}.{extension}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::web::Method;

    #[test]
    fn an_asset_may_be_kept_and_an_old_one_is_gone() {
        for address in [&Assets::ours().style, &Assets::ours().script, &Assets::ours().icon] {
            let answer = Assets::answer(&Request::new(Method::GET, address).unwrap());
            assert_eq!(answer.status(), 200, "{address}");
            assert!(answer.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        }
        let old = Request::new(Method::GET, "/assets/style-000000000000.css").unwrap();
        assert_eq!(Assets::answer(&old).status(), 404);
    }

    #[test]
    fn the_script_is_small_and_nothing_of_it_comes_from_elsewhere() {
        assert!(SCRIPT.len() <= 6 << 10 && STYLE.len() < 10_000, "{} {}", SCRIPT.len(), STYLE.len());
        for text in [SCRIPT, STYLE] {
            assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("innerHTML"));
        }
    }
}
