use super::*;

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn marked_tags_are_weak_and_come_back_as_they_were() {
    for (tag, marked) in [
        ("\"abc\"", "W/\"abc-wingman\""),
        ("W/\"abc\"", "W/\"abc-wingman-weak\""),
        ("\"\"", "W/\"-wingman\""),
        ("\"a,b\"", "W/\"a,b-wingman\""),
        ("\"a-weak\"", "W/\"a-weak-wingman\""),
        (" \"abc\" ", "W/\"abc-wingman\""),
    ] {
        let got = text(mark(tag.as_bytes()).unwrap());
        assert_eq!(got, marked);
        assert!(has_ours(got.as_bytes()));
        assert_eq!(text(restore(got.as_bytes())), tag.trim());
        assert_eq!(without_ours(got.as_bytes()), None);
    }
    for no_tag in ["", "abc", "\"", "W/abc", "\"a\"b\"", "w/\"a\""] {
        assert_eq!(mark(no_tag.as_bytes()), None, "{no_tag}");
    }
}

#[test]
fn lists_keep_what_is_not_ours() {
    let list = b"\"a\", W/\"b-wingman\",W/\"c\" ,, W/\"d,e-wingman-weak\"";
    assert!(has_ours(list));
    assert_eq!(text(restore(list)), "\"a\", \"b\", W/\"c\", W/\"d,e\"");
    assert_eq!(text(without_ours(list).unwrap()), "\"a\", W/\"c\"");
}

#[test]
fn other_conditions_are_not_ours() {
    for condition in
        ["*", "", "\"a\"", "W/\"a\"", "\"a\", \"b\"", "wingman", "-wingman\"", "\"-wing\""]
    {
        assert!(!has_ours(condition.as_bytes()), "{condition}");
    }
}
