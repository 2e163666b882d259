//! The script element.

use serde::Serialize;

/// Writes it, with this for `data-wingman`. It is ASCII, so it is the same in every encoding that is
/// ASCII's superset.
pub(super) fn script(config: &impl Serialize) -> String {
    let json = serde_json::to_string(config).expect("texts, numbers and lists of them are JSON");
    let mut tag = String::with_capacity(json.len() + 64);
    tag.push_str("<script src=\"/_wingman/page.js\" data-wingman='");
    for char in json.chars() {
        match char {
            '&' => tag.push_str("&amp;"),
            '\'' => tag.push_str("&#39;"),
            '<' => tag.push_str("&lt;"),
            '>' => tag.push_str("&gt;"),
            '\0'..='\x7f' => tag.push(char),
            // Outside of strings JSON is ASCII, so this is inside of one.
            _ => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    tag.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    tag.push_str("'></script>");
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_survives_the_attribute() {
        let plain = serde_json::json!({ "direct": true, "stun": ["stun:a:1"] });
        assert_eq!(
            script(&plain),
            r#"<script src="/_wingman/page.js" data-wingman='{"direct":true,"stun":["stun:a:1"]}'></script>"#
        );
        let hostile = serde_json::json!({
            "a": "'></script><script>alert(1)</script>&#39;&amp;\"\\\u{0}\n",
            "b": "äœ☃😀\u{2028}",
        });
        let tag = script(&hostile);
        assert!(tag.is_ascii());
        let value = tag.split('\'').nth(1).unwrap();
        assert_eq!(tag.matches('\'').count(), 2);
        assert_eq!(tag.matches('<').count(), 2);
        // As a browser reads it.
        let decoded = value
            .replace("&#39;", "'")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&decoded).unwrap(), hostile);
    }
}
