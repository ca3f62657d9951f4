{{/* The filter as Envoy configures it: what `wicketgate render` writes (a test compares the two). */}}

{{/* What the module may call, and be called for. Nothing else of the host is open to it. */}}
{{- define "wicketgate.capabilities" -}}
proxy_add_header_map_value proxy_call_foreign_function proxy_close_stream proxy_continue_stream proxy_define_metric proxy_done
proxy_get_buffer_bytes proxy_get_current_time_nanoseconds proxy_get_header_map_pairs proxy_get_header_map_value proxy_get_metric
proxy_get_property proxy_get_shared_data proxy_http_call proxy_increment_metric proxy_log proxy_record_metric
proxy_remove_header_map_value proxy_replace_header_map_value proxy_send_local_response proxy_set_buffer_bytes
proxy_set_effective_context proxy_set_header_map_pairs proxy_set_property proxy_set_shared_data proxy_set_tick_period_milliseconds
proxy_on_configure proxy_on_context_create proxy_on_delete proxy_on_done proxy_on_http_call_response proxy_on_log
proxy_on_request_body proxy_on_request_headers proxy_on_request_trailers proxy_on_response_body proxy_on_response_headers
proxy_on_response_trailers proxy_on_tick proxy_on_vm_start
args_get args_sizes_get clock_time_get environ_get environ_sizes_get fd_close fd_fdstat_get fd_read fd_seek fd_write proc_exit
random_get sched_yield
{{- end }}

{{- define "wicketgate.allowedCapabilities" -}}
{{- $allowed := dict -}}
{{- range splitList " " (include "wicketgate.capabilities" . | replace "\n" " ") }}{{ $_ := set $allowed . dict }}{{ end -}}
{{- dict "allowed_capabilities" $allowed | toJson -}}
{{- end }}

{{/* The filter with its policy, as JSON: (dict "root" $ "path" "where Envoy finds the module"). */}}
{{- define "wicketgate.filter" -}}
{{- $config := dict "name" "wicketgate" "failure_policy" "FAIL_RELOAD" "reload_config" (dict "backoff" (dict "base_interval" "0.1s")) -}}
{{- $_ := set $config "allow_on_headers_stop_iteration" (eq (include "wicketgate.holdHeaders" .root) "true") -}}
{{- $_ := set $config "configuration" (dict "@type" "type.googleapis.com/google.protobuf.StringValue" "value" (include "wicketgate.policy" .root)) -}}
{{- $_ := set $config "vm_config" (dict "vm_id" "wicketgate" "runtime" "envoy.wasm.runtime.v8" "code" (dict "local" (dict "filename" .path))) -}}
{{- $_ := set $config "capability_restriction_config" (include "wicketgate.allowedCapabilities" .root | fromJson) -}}
{{- dict "@type" "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm" "config" $config | toJson -}}
{{- end }}
