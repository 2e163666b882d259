//! Tests of packets.

use super::*;

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn test_packet_unmarshal() -> Result<()> {
        let result = Packet::unmarshal(&Bytes::new());
        assert!(
            result.is_err(),
            "Unmarshal should fail when a packet is too small to be SCTP"
        );

        let header_only = Bytes::from_static(&[
            0x13, 0x88, 0x13, 0x88, 0x00, 0x00, 0x00, 0x00, 0x06, 0xa9, 0x00, 0xe1,
        ]);
        let pkt = Packet::unmarshal(&header_only)?;
        //assert!(result.o(), "Unmarshal failed for SCTP packet with no chunks: {}", result);
        assert_eq!(
            pkt.common_header.source_port, 5000,
            "Unmarshal passed for SCTP packet, but got incorrect source port exp: {} act: {}",
            5000, pkt.common_header.source_port
        );
        assert_eq!(
            pkt.common_header.destination_port, 5000,
            "Unmarshal passed for SCTP packet, but got incorrect destination port exp: {} act: {}",
            5000, pkt.common_header.destination_port
        );
        assert_eq!(
            pkt.common_header.verification_tag, 0,
            "Unmarshal passed for SCTP packet, but got incorrect verification tag exp: {} act: {}",
            0, pkt.common_header.verification_tag
        );

        let raw_chunk = Bytes::from_static(&[
            0x13, 0x88, 0x13, 0x88, 0x00, 0x00, 0x00, 0x00, 0x81, 0x46, 0x9d, 0xfc, 0x01, 0x00,
            0x00, 0x56, 0x55, 0xb9, 0x64, 0xa5, 0x00, 0x02, 0x00, 0x00, 0x04, 0x00, 0x08, 0x00,
            0xe8, 0x6d, 0x10, 0x30, 0xc0, 0x00, 0x00, 0x04, 0x80, 0x08, 0x00, 0x09, 0xc0, 0x0f,
            0xc1, 0x80, 0x82, 0x00, 0x00, 0x00, 0x80, 0x02, 0x00, 0x24, 0x9f, 0xeb, 0xbb, 0x5c,
            0x50, 0xc9, 0xbf, 0x75, 0x9c, 0xb1, 0x2c, 0x57, 0x4f, 0xa4, 0x5a, 0x51, 0xba, 0x60,
            0x17, 0x78, 0x27, 0x94, 0x5c, 0x31, 0xe6, 0x5d, 0x5b, 0x09, 0x47, 0xe2, 0x22, 0x06,
            0x80, 0x04, 0x00, 0x06, 0x00, 0x01, 0x00, 0x00, 0x80, 0x03, 0x00, 0x06, 0x80, 0xc1,
            0x00, 0x00,
        ]);

        Packet::unmarshal(&raw_chunk)?;

        Ok(())
    }

    #[test]
    fn test_packet_marshal() -> Result<()> {
        let header_only = Bytes::from_static(&[
            0x13, 0x88, 0x13, 0x88, 0x00, 0x00, 0x00, 0x00, 0x06, 0xa9, 0x00, 0xe1,
        ]);
        let pkt = Packet::unmarshal(&header_only)?;
        let header_only_marshaled = pkt.marshal()?;
        assert_eq!(
            header_only, header_only_marshaled,
            "Unmarshal/Marshaled header only packet did not match \nheaderOnly: {:?} \nheader_only_marshaled {:?}",
            header_only, header_only_marshaled
        );

        Ok(())
    }

    // The boxing-free DATA send path marshals borrowed `ChunkPayloadData` straight
    // into a shared buffer via `write_framed`; it must produce exactly the same
    // bytes as building a `Packet` of boxed chunks and calling `marshal` -- both go
    // through `write_framed`. Also exercises `marshal_to`.
    #[test]
    fn test_marshal_data_chunks_matches_packet_marshal() -> Result<()> {
        use crate::chunk::chunk_payload_data::PayloadProtocolIdentifier;

        let mk_common = || CommonHeader {
            source_port: 5000,
            destination_port: 5000,
            verification_tag: 0xdeadbeef,
        };
        let mk_chunk = |tsn: u32, ssn: u16, data: &'static [u8]| ChunkPayloadData {
            stream_identifier: 1,
            payload_type: PayloadProtocolIdentifier::Binary,
            user_data: Bytes::from_static(data),
            beginning_fragment: true,
            ending_fragment: true,
            tsn,
            stream_sequence_number: ssn,
            ..Default::default()
        };

        // A single chunk, and a two-chunk bundle whose first payload length (5)
        // forces inter-chunk padding -- so the padding path is covered too.
        let cases = [
            vec![mk_chunk(1, 0, b"hello")],
            vec![mk_chunk(1, 0, b"hello"), mk_chunk(2, 1, b"world!!")],
        ];
        for chunks in cases {
            let direct = {
                let mut buf = BytesMut::new();
                Packet::write_framed(
                    &mk_common(),
                    chunks.iter().map(|c| c as &dyn Chunk),
                    &mut buf,
                )?;
                buf.freeze()
            };

            let pkt = Packet {
                common_header: mk_common(),
                chunks: chunks
                    .iter()
                    .cloned()
                    .map(|c| Box::new(c) as Box<dyn Chunk>)
                    .collect(),
            };
            assert_eq!(
                direct,
                pkt.marshal()?,
                "write_framed DATA path must equal Packet::marshal"
            );

            let mut buf = BytesMut::new();
            pkt.marshal_to(&mut buf)?;
            assert_eq!(
                direct,
                buf.freeze(),
                "marshal_to must equal the write_framed DATA path"
            );
        }

        Ok(())
    }

    /*fn BenchmarkPacketGenerateChecksum(b *testing.B) {
        var data [1024]byte

        for i := 0; i < b.N; i++ {
            _ = generatePacketChecksum(data[:])
        }
    }*/

    #[test]
    fn test_partial_decode_init_chunk() -> Result<()> {
        let raw_pkt = Bytes::from_static(&[
            0x13, 0x88, 0x13, 0x88, 0x00, 0x00, 0x00, 0x00, 0x81, 0x46, 0x9d, 0xfc, 0x01, 0x00,
            0x00, 0x56, 0x55, 0xb9, 0x64, 0xa5, 0x00, 0x02, 0x00, 0x00, 0x04, 0x00, 0x08, 0x00,
            0xe8, 0x6d, 0x10, 0x30, 0xc0, 0x00, 0x00, 0x04, 0x80, 0x08, 0x00, 0x09, 0xc0, 0x0f,
            0xc1, 0x80, 0x82, 0x00, 0x00, 0x00, 0x80, 0x02, 0x00, 0x24, 0x9f, 0xeb, 0xbb, 0x5c,
            0x50, 0xc9, 0xbf, 0x75, 0x9c, 0xb1, 0x2c, 0x57, 0x4f, 0xa4, 0x5a, 0x51, 0xba, 0x60,
            0x17, 0x78, 0x27, 0x94, 0x5c, 0x31, 0xe6, 0x5d, 0x5b, 0x09, 0x47, 0xe2, 0x22, 0x06,
            0x80, 0x04, 0x00, 0x06, 0x00, 0x01, 0x00, 0x00, 0x80, 0x03, 0x00, 0x06, 0x80, 0xc1,
            0x00, 0x00,
        ]);
        let pkt = PartialDecode::unmarshal(&raw_pkt)?;

        assert_eq!(pkt.first_chunk_type, CT_INIT);
        if let Some(initiate_tag) = pkt.initiate_tag {
            assert_eq!(
                initiate_tag, 1438213285,
                "Unmarshal passed for SCTP packet, but got incorrect initiate tag exp: {} act: {}",
                1438213285, initiate_tag
            );
        }

        Ok(())
    }

    #[test]
    fn test_partial_decode_init_ack() -> Result<()> {
        let raw_pkt = Bytes::from_static(&[
            0x13, 0x88, 0x13, 0x88, 0xce, 0x15, 0x79, 0xa2, 0x96, 0x19, 0xe8, 0xb2, 0x02, 0x00,
            0x00, 0x1c, 0xeb, 0x81, 0x4e, 0x01, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x08, 0x00,
            0x50, 0xdf, 0x90, 0xd9, 0x00, 0x07, 0x00, 0x08, 0x94, 0x06, 0x2f, 0x93,
        ]);
        let pkt = PartialDecode::unmarshal(&raw_pkt)?;

        assert_eq!(pkt.first_chunk_type, CT_INIT_ACK);
        if let Some(initiate_tag) = pkt.initiate_tag {
            assert_eq!(
                initiate_tag, 3951119873u32,
                "Unmarshal passed for SCTP packet, but got incorrect initiate tag exp: {} act: {}",
                3951119873u32, initiate_tag
            );
        }

        Ok(())
    }

    #[test]
    fn test_partial_decode_truncated_init() {
        // INIT chunk header with length 4: no room for the initiate tag.
        let mut raw = vec![
            0x13, 0x88, 0x13, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0, 0, 4,
        ];
        let checksum = generate_packet_checksum(&Bytes::from(raw.clone()));
        raw[8..12].copy_from_slice(&checksum.to_le_bytes());
        assert!(PartialDecode::unmarshal(&Bytes::from(raw)).is_err());
    }

    #[test]
    fn test_unmarshal_variable_length_chunks_followed_by_other_chunks() -> Result<()> {
        use crate::chunk::chunk_payload_data::PayloadProtocolIdentifier;
        use crate::chunk::{ErrorCause, PROTOCOL_VIOLATION, UNRECOGNIZED_CHUNK_TYPE};

        let original = Packet {
            common_header: CommonHeader {
                source_port: 5000,
                destination_port: 5000,
                verification_tag: 0xdeadbeef,
            },
            chunks: vec![
                Box::new(ChunkForwardTsn {
                    new_cumulative_tsn: 3,
                    streams: vec![],
                }),
                Box::new(ChunkAbort {
                    error_causes: vec![ErrorCause {
                        code: PROTOCOL_VIOLATION,
                        ..Default::default()
                    }],
                }),
                Box::new(ChunkError {
                    error_causes: vec![ErrorCause {
                        code: UNRECOGNIZED_CHUNK_TYPE,
                        raw: Bytes::from_static(&[0xc0, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x03]),
                    }],
                }),
                Box::new(ChunkShutdown {
                    cumulative_tsn_ack: 0x12345678,
                }),
                Box::new(ChunkPayloadData {
                    unordered: true,
                    beginning_fragment: true,
                    ending_fragment: true,
                    tsn: 4,
                    stream_identifier: 1,
                    payload_type: PayloadProtocolIdentifier::Binary,
                    user_data: Bytes::from_static(&[0xaa, 0xbb, 0xcc, 0xdd]),
                    ..Default::default()
                }),
            ],
        };
        let raw = original.marshal()?;
        let parsed = Packet::unmarshal(&raw)?;

        assert_eq!(parsed.chunks.len(), 5);

        let fwd = parsed.chunks[0]
            .as_any()
            .downcast_ref::<ChunkForwardTsn>()
            .expect("chunks[0] should be FORWARD-TSN");
        assert_eq!(fwd.new_cumulative_tsn, 3);
        assert!(fwd.streams.is_empty());

        let abort = parsed.chunks[1]
            .as_any()
            .downcast_ref::<ChunkAbort>()
            .expect("chunks[1] should be ABORT");
        assert_eq!(abort.error_causes.len(), 1);
        assert_eq!(abort.error_causes[0].error_cause_code(), PROTOCOL_VIOLATION);

        let err = parsed.chunks[2]
            .as_any()
            .downcast_ref::<ChunkError>()
            .expect("chunks[2] should be ERROR");
        assert_eq!(err.error_causes.len(), 1);
        assert_eq!(
            err.error_causes[0].error_cause_code(),
            UNRECOGNIZED_CHUNK_TYPE
        );

        let shutdown = parsed.chunks[3]
            .as_any()
            .downcast_ref::<ChunkShutdown>()
            .expect("chunks[3] should be SHUTDOWN");
        assert_eq!(shutdown.cumulative_tsn_ack, 0x12345678);

        let data = parsed.chunks[4]
            .as_any()
            .downcast_ref::<ChunkPayloadData>()
            .expect("chunks[4] should be DATA");
        assert_eq!(data.tsn, 4);
        assert_eq!(data.stream_identifier, 1);
        assert_eq!(data.payload_type, PayloadProtocolIdentifier::Binary);
        assert_eq!(&data.user_data[..], &[0xaa, 0xbb, 0xcc, 0xdd]);
        Ok(())
    }
}
