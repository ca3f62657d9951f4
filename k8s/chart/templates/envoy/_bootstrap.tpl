{{/* envoy.yaml of mode standalone: envoy/envoy.yaml of the repository, whose comments say why each line is there, with one route and one
cluster for each server, TLS, and a listener for probes and metrics. */}}
{{- define "wicketgate.bootstrap" -}}
{{- $root := . -}}
{{- $oauth := include "wicketgate.oauthPaths" . | fromYaml -}}
{{- $without := "{wicketgate: {\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}}" -}}
node: {id: wicketgate, cluster: wicketgate}

admin:
  address: {socket_address: {address: 127.0.0.1, port_value: 9901}}   # never public: it can stop Envoy and dump everything

static_resources:
  listeners:
    - name: public
      address: {socket_address: {address: {{ .Values.listenAddress | quote }}, port_value: 8080}}
      per_connection_buffer_limit_bytes: {{ include "wicketgate.largest" . }}
      tcp_keepalive: {keepalive_probes: 3, keepalive_time: 60, keepalive_interval: 20}
      filter_chains:
        - transport_socket_connect_timeout: 10s
          {{ if .Values.envoy.tls.existingSecret -}}
          transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              common_tls_context:
                alpn_protocols: [h2, http/1.1]
                tls_params: {tls_minimum_protocol_version: TLSv1_2}
                tls_certificate_sds_secret_configs:
                  # Read again when the Secret changes.
                  - name: certificate
                    sds_config: {path_config_source: {path: /etc/envoy/sds.yaml, watched_directory: {path: /etc/wicketgate/tls}}, resource_api_version: V3}
          {{ end -}}
          filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: public
                codec_type: AUTO
                server_name: wicketgate
                use_remote_address: true
                xff_num_trusted_hops: {{ int .Values.envoy.trustedHops }}
                internal_address_config: {unix_sockets: false, cidr_ranges: [{address_prefix: 0.0.0.0, prefix_len: 32}]}
                always_set_request_id_in_response: true
                forward_client_cert_details: SANITIZE
                normalize_path: true
                merge_slashes: true
                path_with_escaped_slashes_action: REJECT_REQUEST
                request_headers_timeout: 10s
                request_timeout: 30s
                stream_idle_timeout: 300s
                drain_timeout: 5s
                common_http_protocol_options:
                  idle_timeout: 300s
                  max_headers_count: 100
                  headers_with_underscores_action: REJECT_REQUEST
                max_request_headers_kb: 60
                http_protocol_options: {enable_trailers: true}
                http2_protocol_options:
                  max_concurrent_streams: 100
                  initial_stream_window_size: 65536
                  initial_connection_window_size: 1048576
                access_log_options: {access_log_flush_interval: 15s}
                access_log:
                  {{- include "wicketgate.accessLog" . | fromJsonArray | toYaml | nindent 18 }}
                route_config:
                  name: public
                  virtual_hosts:
                    - name: all
                      domains: ["*"]   # the filter matches hosts by the policy
                      routes:
                        # Answered by the filter. Should it be missing, these answer for themselves and forward nothing.
                        - name: resource_metadata
                          match: {path_separated_prefix: /.well-known/oauth-protected-resource}
                          direct_response: {status: 503, body: {inline_string: "the filter did not answer\n"}}
                        - name: status
                          match: {path: /wicketgate/status}
                          direct_response: {status: 503, body: {inline_string: "the filter did not answer\n"}}
                        {{- if .Values.authorizationServer.enabled }}
                        # The authorization server: its own security, no filter.
                        - name: authorization_server_metadata
                          match: {prefix: /.well-known/}
                          route: {cluster: auth_public, timeout: 15s}
                          typed_per_filter_config: {{ $without }}
                        - name: authorization_server
                          match: {safe_regex: {regex: {{ printf "(%s)" (join "|" $oauth.exact) | quote }}}}
                          route: {cluster: auth_public, timeout: 15s}
                          typed_per_filter_config: {{ $without }}
                        {{- range $oauth.prefix }}
                        - name: authorization_server_{{ trimPrefix "/" . }}
                          match: {path_separated_prefix: {{ . }}}
                          route: {cluster: auth_public, timeout: 25s}
                          typed_per_filter_config: {{ $without }}
                        {{- end }}
                        {{- end }}
                        # The MCP servers, behind the filter.
                        {{- range (include "wicketgate.byLongestPath" .Values.config.servers | fromJsonArray) }}
                        - name: {{ printf "mcp_%s" .name | quote }}
                          match:
                            path_separated_prefix: {{ .path | quote }}
                            headers: [{name: ":authority", string_match: {safe_regex: {regex: {{ printf "(?i)%s(:[0-9]+)?" (regexReplaceAll ":[0-9]+$" (include "wicketgate.serverHost" (dict "root" $root "server" .)) "" | regexQuoteMeta) | quote }}}}}]
                          route:
                            cluster: {{ printf "mcp_upstream_%s" .name | quote }}
                            prefix_rewrite: {{ default .path .upstream.path | quote }}
                            host_rewrite_literal: {{ printf "%s:%d" (include "wicketgate.upstreamHost" (dict "root" $root "server" .) | include "wicketgate.inUrl") (int .upstream.port) | quote }}
                            timeout: 0s
                            idle_timeout: 3600s
                            # No retry_policy: a tool that ran must not run again.
                          {{- if .origins }}
                          # Pages of these origins may read what is answered; others are refused by the filter.
                          typed_per_filter_config: {envoy.filters.http.cors: {{ include "wicketgate.cors.policy" . }}}
                          {{- end }}
                        {{- end }}
                        - name: nothing
                          match: {prefix: /}
                          direct_response: {status: 404, body: {inline_string: "not found\n"}}
                http_filters:
                  {{- if include "wicketgate.cors.any" . }}
                  # Answers preflights of pages that a route allows; all others reach the filter, which refuses them.
                  - name: envoy.filters.http.cors
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}
                  {{- end }}
                  # A changed ConfigMap is taken over without a restart; what the filter refuses changes nothing.
                  - name: wicketgate
                    config_discovery:
                      config_source:
                        resource_api_version: V3
                        path_config_source: {path: /etc/wicketgate/filter/filter.json, watched_directory: {path: /etc/wicketgate/filter}}
                      apply_default_config_without_warming: false
                      type_urls: [type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm]
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
                      suppress_envoy_headers: true

    # For probes and Prometheus: of the admin interface these two and nothing else.
    - name: operations
      address: {socket_address: {address: {{ .Values.listenAddress | quote }}, port_value: 9902}}
      ignore_global_conn_limit: true
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: operations
                normalize_path: true
                request_headers_timeout: 10s
                request_timeout: 10s
                route_config:
                  name: operations
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - {match: {path: /livez, headers: [{name: ":method", string_match: {exact: GET}}]}, direct_response: {status: 200}}
                        - {match: {path: /ready, headers: [{name: ":method", string_match: {exact: GET}}]}, route: {cluster: admin}}
                        - {match: {path: /stats/prometheus, headers: [{name: ":method", string_match: {exact: GET}}]}, route: {cluster: admin}}
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}

  clusters:
    {{- range .Values.config.servers }}
    - name: {{ printf "mcp_upstream_%s" .name | quote }}
      type: STRICT_DNS
      dns_lookup_family: V4_PREFERRED
      connect_timeout: 5s
      load_assignment:
        cluster_name: {{ printf "mcp_upstream_%s" .name | quote }}
        endpoints:
          - lb_endpoints:
              - endpoint: {address: {socket_address: {address: {{ include "wicketgate.upstreamHost" (dict "root" $root "server" .) | quote }}, port_value: {{ int .upstream.port }}}}}
      circuit_breakers: {thresholds: [{max_connections: 10000, max_pending_requests: 10000, max_requests: 10000}]}
      {{- $host := include "wicketgate.upstreamHost" (dict "root" $root "server" .) }}
      {{- $server := .name }}
      {{- with .upstream.tls }}
      {{- if .enabled }}
      {{- $name := default $host .serverName }}
      {{- $address := regexMatch "^[0-9.]+$|:" $name }}
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          {{- if not $address }}
          sni: {{ $name | quote }}
          {{- end }}
          common_tls_context:
            {{- $names := printf "[{san_type: %s, matcher: {exact: %q}}]" (ternary "IP_ADDRESS" "DNS" $address) $name }}
            {{- if .caFile }}
            combined_validation_context:
              default_validation_context: {match_typed_subject_alt_names: {{ $names }}}
              # Read again when the file's folder changes.
              validation_context_sds_secret_config:
                name: {{ printf "authority_%s" $server | quote }}
                sds_config: {path_config_source: {path: {{ printf "/etc/envoy/authority-%s.yaml" $server | quote }}, watched_directory: {path: {{ dir .caFile | quote }}}}, resource_api_version: V3}
            {{- else }}
            validation_context:
              trusted_ca: {filename: /etc/ssl/certs/ca-certificates.crt}
              match_typed_subject_alt_names: {{ $names }}
            {{- end }}
      {{- end }}
      {{- end }}
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          common_http_protocol_options: {idle_timeout: 4s}
          explicit_http_config: {{ ternary "{http2_protocol_options: {}}" "{http_protocol_options: {enable_trailers: true}}" (eq (default "http1" .upstream.protocol) "http2") }}
    {{- end }}
    {{- if .Values.authorizationServer.enabled }}
    # The authorization server, in this pod: what browsers and clients reach, and what the filter alone does.
    {{- range $name, $port := dict "auth_public" 9000 "auth_internal" 9001 }}
    - name: {{ $name }}
      type: STATIC
      connect_timeout: 2s
      load_assignment:
        cluster_name: {{ $name }}
        endpoints:
          - lb_endpoints:
              - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: {{ $port }}}}}
      circuit_breakers: {thresholds: [{max_connections: 10000, max_pending_requests: 10000, max_requests: 10000}]}
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          common_http_protocol_options: {idle_timeout: 4s}
          explicit_http_config: {http_protocol_options: {enable_trailers: true}}
    {{- end }}
    {{- end }}
    - name: admin
      type: STATIC
      connect_timeout: 1s
      load_assignment:
        cluster_name: admin
        endpoints:
          - lb_endpoints:
              - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}
    {{- with .Values.envoy.extraClusters }}
    {{- toYaml . | nindent 4 }}
    {{- end }}

stats_config:
  stats_tags:
    - {tag_name: reason, regex: "^wasmcustom\\.wicketgate\\.decisions_total(\\.([a-z_]+))$"}
    - {tag_name: verdict, regex: "^wasmcustom\\.wicketgate\\.(?:server|shadow)_decisions_total(\\.(allow|deny|would_allow|would_challenge|would_deny))(?:\\..+)?$"}
    - {tag_name: server, regex: "^wasmcustom\\.wicketgate\\.server_decisions_total\\.(?:allow|deny)(\\.(.+))$"}
    - {tag_name: action, regex: "^wasmcustom\\.wicketgate\\.content_findings_total(\\.([a-z]+))\\.[a-z_]+$"}
    - {tag_name: found, regex: "^wasmcustom\\.wicketgate\\.content_findings_total\\.[a-z]+(\\.([a-z_]+))$"}
    - {tag_name: how, regex: "^wasmcustom\\.wicketgate\\.tokens_total(\\.([a-z]+))$"}
    - {tag_name: table, regex: "^wasmcustom\\.wicketgate\\.tables_full_total(\\.([a-z]+))$"}
    - {tag_name: done, regex: "^wasmcustom\\.wicketgate\\.answer_findings_total(\\.([a-z]+))\\.[a-z_]+$"}
    - {tag_name: why, regex: "^wasmcustom\\.wicketgate\\.answer_findings_total\\.[a-z]+(\\.([a-z_]+))$"}
    - {tag_name: outcome, regex: "^wasmcustom\\.wicketgate\\.(?:input|output)_schema_total(\\.([a-z]+))$"}
    - {tag_name: record, regex: "^wasmcustom\\.wicketgate\\.records_lost_total(\\.([a-z]+))$"}
    - {tag_name: issuer, regex: "^wasmcustom\\.wicketgate\\.(?:jwks|revocations)_(?:age_seconds|missing)(\\.(.+))$"}

overload_manager:
  resource_monitors:
    - name: envoy.resource_monitors.global_downstream_max_connections
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig
        max_active_downstream_connections: {{ int .Values.envoy.maxConnections }}
    - name: envoy.resource_monitors.fixed_heap
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig
        max_heap_size_bytes: {{ mul (int .Values.envoy.heapMebibytes) 1048576 }}
  buffer_factory_config: {minimum_account_to_track_power_of_two: 20}
  actions:
    - name: envoy.overload_actions.shrink_heap
      triggers: [{name: envoy.resource_monitors.fixed_heap, threshold: {value: 0.9}}]
    - name: envoy.overload_actions.reset_high_memory_stream
      triggers: [{name: envoy.resource_monitors.fixed_heap, scaled: {scaling_threshold: 0.85, saturation_threshold: 0.95}}]
    - name: envoy.overload_actions.stop_accepting_requests
      triggers: [{name: envoy.resource_monitors.fixed_heap, threshold: {value: 0.95}}]
    - name: envoy.overload_actions.stop_accepting_connections
      triggers: [{name: envoy.resource_monitors.fixed_heap, threshold: {value: 0.98}}]
{{- end }}

{{/* Servers, the longest path first: routes are asked in order, the filter takes the longest. */}}
{{- define "wicketgate.byLongestPath" -}}
{{- $keys := list -}}{{- $by := dict -}}
{{- range . }}{{ $key := printf "%04d %s" (sub 9999 (len .path)) .name }}{{ $keys = append $keys $key }}{{ $_ := set $by $key . }}{{ end -}}
{{- $sorted := list -}}
{{- range sortAlpha $keys }}{{ $sorted = append $sorted (get $by .) }}{{ end -}}
{{- $sorted | toJson -}}
{{- end }}
