//! How does one ask the host without panicking? Thin wrappers over the proxy-wasm 0.2.1 imports used on a request.
//!
//! The SDK's own wrappers panic on statuses that do occur (a header read after the headers were continued is
//! `BadArgument`), and a panic takes every open stream of the worker with it. These return a [`Fault`] instead.
#![expect(
    unsafe_code,
    reason = "the proxy-wasm ABI is raw pointers; this file is the only place that touches it"
)]

use std::ptr::null_mut;

use wicketgate_core::head::Headers;

/// A host call that did not succeed: the status that the host gave (proxy-wasm spec, `proxy_status_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) u32);

/// Which body buffer (`proxy_buffer_type_t`).
#[derive(Clone, Copy)]
pub(crate) enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    CalloutBody = 4,
    PluginConfiguration = 7,
}

/// Which header map (`proxy_header_map_type_t`).
#[derive(Clone, Copy)]
pub(crate) enum Map {
    Request = 0,
    RequestTrailers = 1,
    Response = 2,
    CalloutHeaders = 6,
}

/// Which half of an exchange (`proxy_stream_type_t`).
#[derive(Clone, Copy)]
pub(crate) enum Half {
    Request = 0,
    Response = 1,
}

/// Severity in Envoy's log (`proxy_log_level_t`).
#[derive(Clone, Copy)]
pub(crate) enum Level {
    Info = 2,
    Warn = 3,
    Error = 4,
}

/// Kind of a metric (`proxy_metric_type_t`).
#[derive(Clone, Copy)]
pub(crate) enum Metric {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const CAS_MISMATCH: u32 = 8;
/// A status that no host gives: what came back could not be read.
const UNREADABLE: u32 = u32::MAX;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, data: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_get_buffer_bytes(
        kind: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(kind: u32, start: usize, size: usize, data: *const u8, len: usize) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_remove_header_map_value(map: u32, k: *const u8, kl: usize) -> u32;
    fn proxy_replace_header_map_value(map: u32, k: *const u8, kl: usize, v: *const u8, vl: usize) -> u32;
    fn proxy_get_property(path: *const u8, len: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, len: usize, data: *const u8, size: usize) -> u32;
    fn proxy_get_shared_data(
        k: *const u8,
        kl: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(k: *const u8, kl: usize, data: *const u8, size: usize, cas: u32) -> u32;
    fn proxy_continue_stream(half: u32) -> u32;
    fn proxy_close_stream(half: u32) -> u32;
    fn proxy_set_effective_context(id: u32) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_len: usize,
        body: *const u8,
        body_len: usize,
        headers: *const u8,
        headers_len: usize,
        grpc: i32,
    ) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_len: usize,
        arguments: *const u8,
        arguments_len: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, len: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, by: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
}

/// Writes one line to Envoy's log. A line that cannot be written is lost: there is nowhere else to say so.
pub(crate) fn log(level: Level, text: &str) {
    // SAFETY: pointer and length describe `text`, which outlives the call.
    unsafe { proxy_log(level as u32, text.as_ptr(), text.len()) };
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn now() -> Result<u64, Fault> {
    let mut time = 0;
    // SAFETY: `time` is valid for writing.
    ok(unsafe { proxy_get_current_time_nanoseconds(&raw mut time) })?;
    Ok(time)
}

/// Bytes `start..start + max` of a buffer, as far as they exist.
pub(crate) fn get_buffer(kind: Buffer, start: usize, max: usize) -> Result<Vec<u8>, Fault> {
    // SAFETY: out-pointers are valid; see `owned` for what comes back.
    owned(|data, size| unsafe { proxy_get_buffer_bytes(kind as u32, start, max, data, size) })
}

/// Replaces `size` bytes of a buffer from `start` on.
pub(crate) fn set_buffer(kind: Buffer, start: usize, size: usize, bytes: &[u8]) -> Result<(), Fault> {
    // SAFETY: pointer and length describe `bytes`.
    ok(unsafe { proxy_set_buffer_bytes(kind as u32, start, size, bytes.as_ptr(), bytes.len()) })
}

/// All headers in order, repeats included.
pub(crate) fn headers(map: Map) -> Result<Headers, Fault> {
    // SAFETY: out-pointers are valid; see `owned`.
    let bytes = owned(|data, size| unsafe { proxy_get_header_map_pairs(map as u32, data, size) })?;
    Headers::from_block(bytes).ok_or(Fault(UNREADABLE))
}

/// Removes a header, all its values.
pub(crate) fn remove_header(map: Map, name: &str) -> Result<(), Fault> {
    // SAFETY: pointer and length describe `name`.
    ok(unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// Gives a header this one value.
pub(crate) fn set_header(map: Map, name: &str, value: &str) -> Result<(), Fault> {
    // SAFETY: pointers and lengths describe `name` and `value`.
    ok(unsafe {
        proxy_replace_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

/// A property of the stream; `None` when the host does not know it.
pub(crate) fn property(path: &[&str]) -> Option<Vec<u8>> {
    let path = path.join("\0");
    // SAFETY: pointer and length describe `path`; out-pointers are valid.
    owned(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) }).ok()
}

/// Sets filter state `wasm.<name>`, which access loggers read.
pub(crate) fn set_property(name: &str, value: &str) -> Result<(), Fault> {
    // SAFETY: pointers and lengths describe `name` and `value`.
    ok(unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// A value of the shared data with its compare-and-swap number; `None` when it was never set.
pub(crate) fn shared(key: &str) -> Result<Option<(Vec<u8>, u32)>, Fault> {
    let mut cas = 0;
    // SAFETY: pointer and length describe `key`; out-pointers are valid.
    let got = owned(|data, size| unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut cas)
    });
    match got {
        Ok(bytes) => Ok(Some((bytes, cas))),
        Err(Fault(NOT_FOUND)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Sets a value if nobody else did since `cas` was read (0 overwrites whatever is there).
/// `Ok(false)` means that somebody did.
pub(crate) fn set_shared(key: &str, value: &[u8], cas: u32) -> Result<bool, Fault> {
    // SAFETY: pointers and lengths describe `key` and `value`.
    match unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) } {
        OK => Ok(true),
        CAS_MISMATCH => Ok(false),
        other => Err(Fault(other)),
    }
}

/// Lets a held half go on.
pub(crate) fn resume(half: Half) -> Result<(), Fault> {
    // SAFETY: no pointers.
    ok(unsafe { proxy_continue_stream(half as u32) })
}

/// Ends a stream at once.
pub(crate) fn close(half: Half) -> Result<(), Fault> {
    // SAFETY: no pointers.
    ok(unsafe { proxy_close_stream(half as u32) })
}

/// What follows is meant for this context, until the callback under way is over.
pub(crate) fn act_for(context: u32) -> Result<(), Fault> {
    // SAFETY: no pointers.
    ok(unsafe { proxy_set_effective_context(context) })
}

/// Answers the client from here. Never call it from `on_log`: that ends the whole Envoy process.
pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: &[u8], details: &str) -> Result<(), Fault> {
    let block = write_pairs(headers);
    // SAFETY: every pointer and length describes a live slice; -1 means no gRPC status.
    ok(unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            block.as_ptr(),
            block.len(),
            -1,
        )
    })
}

/// Calls a function that this host has beyond the ABI.
pub(crate) fn foreign(name: &str, arguments: &[u8]) -> Result<Vec<u8>, Fault> {
    // SAFETY: pointers and lengths describe `name` and `arguments`; out-pointers are valid.
    owned(|data, size| unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            arguments.as_ptr(),
            arguments.len(),
            data,
            size,
        )
    })
}

/// Defines a metric, or finds it if it is there; its id.
pub(crate) fn define(kind: Metric, name: &str) -> Result<u32, Fault> {
    let mut id = 0;
    // SAFETY: pointer and length describe `name`; `id` is valid for writing.
    ok(unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut id) })?;
    Ok(id)
}

/// Adds to a counter or gauge. Zero is an error status by the host's rule, so it is not sent.
pub(crate) fn add(id: u32, by: i64) {
    if by != 0 {
        // SAFETY: no pointers. A counter that cannot be moved must not fail a request.
        unsafe { proxy_increment_metric(id, by) };
    }
}

/// Sets a gauge, or adds a value to a histogram.
pub(crate) fn record(id: u32, value: u64) {
    // SAFETY: no pointers.
    unsafe { proxy_record_metric(id, value) };
}

fn ok(status: u32) -> Result<(), Fault> {
    if status == OK { Ok(()) } else { Err(Fault(status)) }
}

/// Takes over what the host wrote through our allocator.
fn owned(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, Fault> {
    let mut data: *mut u8 = null_mut();
    let mut size = 0usize;
    ok(call(&raw mut data, &raw mut size))?;
    if data.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: the host asked the SDK's `proxy_on_memory_allocate` for exactly `size` bytes, which hands out a boxed
    // slice of that length and forgets it; so capacity equals length and ownership is ours.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

fn write_pairs(pairs: &[(&str, &str)]) -> Vec<u8> {
    let len = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let mut block = len(pairs.len()).to_vec();
    for (key, value) in pairs {
        block.extend(len(key.len()));
        block.extend(len(value.len()));
    }
    for (key, value) in pairs {
        block.extend(key.as_bytes());
        block.push(0);
        block.extend(value.as_bytes());
        block.push(0);
    }
    block
}
