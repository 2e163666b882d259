//! What the direct path adds and takes away besides cookies.

use wingman_wire::code::ResetCode;

use crate::world::*;

#[tokio::test]
async fn the_origin_learns_the_session_from_the_host() {
    let mut world = World::new().await;
    world.navigate("/").await;
    let asked = Request::new("GET", "/y")
        .with("x-forwarded-for", "6.6.6.6")
        .with("x-forwarded-user", "root")
        .with("forwarded", "for=6.6.6.6")
        .with("origin", "https://abc.wingman.dev")
        .with("x-mine", "1");
    let asked = world.directly(asked, new_id());
    assert_eq!(world.direct.ask(&asked).await.expect("a response").status, 200);
    let seen = world.recorder.last();
    for (name, value) in [
        ("x-forwarded-for", None),
        ("x-forwarded-user", None),
        ("x-forwarded-proto", Some("https")),
        ("x-forwarded-host", Some("abc.wingman.dev")),
        ("forwarded", Some("for=unknown;host=abc.wingman.dev;proto=https")),
        ("x-mine", Some("1")),
    ] {
        assert_eq!(seen.field(name), value, "{name}");
    }
    assert!(seen.field("origin").is_some_and(|origin| origin.starts_with("http://localhost:")));
}

#[tokio::test]
async fn only_this_session_can_be_asked() {
    let mut world = World::new().await;
    world.navigate("/").await;
    let before = world.recorder.count();
    let sound = world.directly(Request::new("GET", "/y"), new_id());
    for wrong in [
        Request { authority: "xyz.wingman.dev".to_owned(), ..sound.clone() },
        Request { authority: "localhost".to_owned(), ..sound.clone() },
        Request { tls: false, ..sound.clone() },
        Request { target: "http://other/".to_owned(), ..sound.clone() },
    ] {
        assert_eq!(world.direct.ask(&wrong).await.err(), Some(ResetCode::BadRequest), "{wrong:?}");
    }
    assert_eq!(world.recorder.count(), before);
    let port = Request { authority: "ABC.wingman.dev:443".to_owned(), ..sound };
    assert_eq!(world.direct.ask(&port).await.expect("a response").status, 200);
}

#[tokio::test]
async fn a_page_that_does_not_say_what_it_sees_is_sent_to_the_relay() {
    let mut world = World::new().await;
    world.navigate("/").await;
    let asked = Request::new("GET", "/y").with("wingman-request-id", new_id());
    assert_eq!(world.direct.ask(&asked).await.err(), Some(ResetCode::RelayOnly));
    let asked = asked.with("wingman-document-cookie", "");
    assert_eq!(world.direct.ask(&asked).await.err(), Some(ResetCode::RelayOnly));
}

#[tokio::test]
async fn the_host_answers_paths_of_ours() {
    let mut world = World::new().await;
    world.navigate("/").await;
    let before = world.recorder.count();
    for (method, path, status) in [
        ("GET", "/_wingman/echo", 204),
        ("HEAD", "/_wingman/echo", 204),
        ("GET", "/_wingman/echo?x", 204),
        ("POST", "/_wingman/echo", 405),
        ("GET", "/_wingman/echo/", 404),
        ("GET", "/_wingman/", 404),
        ("GET", "/_wingman/other", 404),
        ("GET", "/_wingman/cookies/", 404),
    ] {
        let by_relay = world.by_relay(Request::new(method, path), None);
        let by_peer = world.directly(Request::new(method, path), new_id());
        for response in [world.relay.ask(&by_relay).await, world.direct.ask(&by_peer).await] {
            let response = response.expect("a response");
            assert_eq!(response.status, status, "{method} {path}");
            assert_eq!(response.field("cache-control"), Some("no-store"));
        }
    }
    assert_eq!(world.recorder.count(), before);
    world.fetch(Request::new("GET", "/_wingmen")).await;
    assert_eq!(world.recorder.count(), before + 1);
}

#[tokio::test]
async fn a_page_can_see_that_its_visitor_is_another_one() {
    let mut world = World::new().await;
    let echo = Request::new("GET", "/_wingman/echo");
    let tag = async |world: &mut World| {
        let asked = world.by_relay(echo.clone(), None);
        let answer = world.relay.ask(&asked).await.expect("a response");
        answer.field("wingman-visitor-tag").map(str::to_owned)
    };
    let of_page = world.runner.visitor_tag(world.visitor);
    assert_eq!(of_page.len(), 8);
    assert!(!world.visitor.to_string().contains(&of_page), "the id is a secret");
    assert_eq!(tag(&mut world).await.as_ref(), Some(&of_page));
    world.visitor = wingman_wire::id::VisitorId::from_bits(7);
    assert!(tag(&mut world).await.is_some_and(|other| other != of_page));
    // A browser that has lost its cookie.
    let nobody = world.relay.ask(&echo).await.expect("a response");
    assert_eq!((nobody.status, nobody.field("wingman-visitor-tag")), (204, None));
}
