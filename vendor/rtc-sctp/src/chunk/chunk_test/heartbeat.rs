//! HEARTBEAT and its answer.

use super::*;

///////////////////////////////////////////////////////////////////
//chunk_heartbeat_test
///////////////////////////////////////////////////////////////////

fn heartbeat_info_param() -> Box<dyn Param> {
    Box::new(ParamHeartbeatInfo {
        heartbeat_information: Bytes::from_static(&[0x01, 0x02, 0x03, 0x04]),
    })
}

#[test]
fn test_chunk_heartbeat_roundtrip() -> Result<()> {
    let hb = ChunkHeartbeat {
        params: vec![heartbeat_info_param()],
    };
    let raw = hb.marshal()?;
    let parsed = ChunkHeartbeat::unmarshal(&raw)?;
    assert_eq!(parsed.params.len(), 1);
    assert_eq!(raw, parsed.marshal()?);
    Ok(())
}

#[test]
fn test_chunk_heartbeat_ack_roundtrip() -> Result<()> {
    let ack = ChunkHeartbeatAck {
        params: vec![heartbeat_info_param()],
    };
    let raw = ack.marshal()?;
    let parsed = ChunkHeartbeatAck::unmarshal(&raw)?;
    assert_eq!(parsed.params.len(), 1);
    assert_eq!(raw, parsed.marshal()?);
    Ok(())
}
