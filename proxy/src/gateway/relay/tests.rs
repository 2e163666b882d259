use super::*;

fn body(text: &'static str) -> HttpTask {
    HttpTask::Body(Some(Bytes::from_static(text.as_bytes())), false)
}

#[test]
fn content_right_behind_content_is_one_piece_and_stays_in_order() {
    let mut tasks = Vec::new();
    let message = Bytes::from_static(b"abcdef");
    for part in [0..2, 2..3, 3..6] {
        push(&mut tasks, HttpTask::Body(Some(message.slice(part)), false));
    }
    push(&mut tasks, HttpTask::Trailer(None));
    push(&mut tasks, body("later"));
    push(&mut tasks, HttpTask::Done);
    let shape: Vec<_> = tasks
        .iter()
        .map(|task| match task {
            HttpTask::Body(Some(content), false) => String::from_utf8_lossy(content).into_owned(),
            other => format!("{:?}", std::mem::discriminant(other)),
        })
        .collect();
    assert_eq!((&*shape[0], &*shape[2]), ("abcdef", "later"));
    assert_eq!(shape.len(), 4);
}
