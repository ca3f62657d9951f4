{{/* Envoy's loggers, as in envoy/envoy.yaml: every request leaves exactly one decision. All go to the standard output; lines of
Envoy's own begin with `"record":"request"`. As JSON, for a connection manager. */}}
{{- define "wicketgate.accessLog" -}}
{{- $ended := dict "log_type_filter" (dict "types" (list "DownstreamEnd")) -}}
{{- $file := "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog" -}}
{{- $cel := "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter" -}}
{{- $decided := dict "extension_filter" (dict "name" "envoy.access_loggers.extension_filters.cel" "typed_config" (dict "@type" $cel "expression" "'wasm.wicketgate_decision' in filter_state")) -}}
{{- $completed := dict "extension_filter" (dict "name" "envoy.access_loggers.extension_filters.cel" "typed_config" (dict "@type" $cel "expression" "'wasm.wicketgate_completion' in filter_state")) -}}
{{- $undecided := dict "extension_filter" (dict "name" "envoy.access_loggers.extension_filters.cel" "typed_config" (dict "@type" $cel "expression" "!('wasm.wicketgate_decision' in filter_state) && !(has(xds.route_name) && xds.route_name.startsWith('authorization_server'))")) -}}
{{- $young := dict "duration_filter" (dict "comparison" (dict "op" "LE" "value" (dict "default_value" 59000 "runtime_key" "wicketgate.open_records_until_ms"))) -}}
{{- $periodic := dict "log_type_filter" (dict "types" (list "DownstreamPeriodic")) -}}
{{- $not_decided := dict "record" "decision" "time" "%START_TIME%" "request_id" "%REQ(X-REQUEST-ID)%" "verb" "%REQ(:METHOD)%" "path" "%PATH(NQ:ORIG_OR_PATH)%" "source" "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%" "verdict" "none" "reason" "not_decided" "detail" "%RESPONSE_CODE_DETAILS%" "status" "%RESPONSE_CODE%" "request_bytes" "%BYTES_RECEIVED%" -}}
{{- $request := dict "record" "request" "time" "%START_TIME%" "request_id" "%REQ(X-REQUEST-ID)%" "verb" "%REQ(:METHOD)%" "path" "%PATH(NQ:ORIG_OR_PATH)%" "status" "%RESPONSE_CODE%" "flags" "%RESPONSE_FLAGS%" "detail" "%RESPONSE_CODE_DETAILS%" "request_bytes" "%BYTES_RECEIVED%" "response_bytes" "%BYTES_SENT%" "took_ms" "%DURATION%" "cluster" "%UPSTREAM_CLUSTER%" "route" "%ROUTE_NAME%" -}}
{{- $open := "{\"record\":\"open\",\"took_ms\":%DURATION%,\"request_bytes\":%BYTES_RECEIVED%,\"response_bytes\":%BYTES_SENT%,\"decision\":%FILTER_STATE(wasm.wicketgate_decision:PLAIN)%}\n" -}}
{{- list
  (dict "name" "decisions" "filter" (dict "and_filter" (dict "filters" (list $ended $decided))) "typed_config" (dict "@type" $file "path" "/dev/stdout" "log_format" (dict "text_format_source" (dict "inline_string" "%FILTER_STATE(wasm.wicketgate_decision:PLAIN)%\n"))))
  (dict "name" "undecided" "filter" (dict "and_filter" (dict "filters" (list $ended $undecided))) "typed_config" (dict "@type" $file "path" "/dev/stdout" "log_format" (dict "json_format" $not_decided)))
  (dict "name" "open" "filter" (dict "and_filter" (dict "filters" (list $periodic $young $decided))) "typed_config" (dict "@type" $file "path" "/dev/stdout" "log_format" (dict "text_format_source" (dict "inline_string" $open))))
  (dict "name" "completions" "filter" (dict "and_filter" (dict "filters" (list $ended $completed))) "typed_config" (dict "@type" $file "path" "/dev/stdout" "log_format" (dict "text_format_source" (dict "inline_string" "%FILTER_STATE(wasm.wicketgate_completion:PLAIN)%\n"))))
  (dict "name" "requests" "filter" $ended "typed_config" (dict "@type" $file "path" "/dev/stdout" "log_format" (dict "json_format" $request)))
  | toJson -}}
{{- end }}
