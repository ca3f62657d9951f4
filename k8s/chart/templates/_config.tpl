{{/* The one block `config`: what the filter and the authorization server are told. Documents are JSON, because numbers that pass
through Helm's YAML come out as 1.048576e+06. */}}

{{/* The address of a server, which is the audience of its tokens: (dict "root" $ "server" …). */}}
{{- define "wicketgate.serverUrl" -}}
{{- $origin := urlParse .root.Values.config.url -}}
{{- printf "%s://%s%s" $origin.scheme (default $origin.host .server.host) .server.path -}}
{{- end }}

{{- define "wicketgate.serverHost" -}}
{{- $origin := urlParse .root.Values.config.url -}}
{{- default $origin.host .server.host -}}
{{- end }}

{{/* All hosts, the authorization server's first; without ports. */}}
{{- define "wicketgate.hosts" -}}
{{- $hosts := list (regexReplaceAll ":[0-9]+$" (urlParse .Values.config.url).host "") -}}
{{- range .Values.config.servers }}{{ if .host }}{{ $hosts = append $hosts (regexReplaceAll ":[0-9]+$" .host "") }}{{ end }}{{ end -}}
{{- $hosts | uniq | toJson -}}
{{- end }}

{{/* Where a server is within the cluster, or elsewhere. */}}
{{- define "wicketgate.upstreamHost" -}}
{{- $up := .server.upstream -}}
{{- if $up.host -}}{{ $up.host }}
{{- else -}}{{ printf "%s.%s.svc.%s" $up.service (default .root.Release.Namespace $up.namespace) .root.Values.clusterDomain }}
{{- end -}}
{{- end }}

{{/* A host as it stands before a port: addresses of IPv6 in brackets. */}}
{{- define "wicketgate.inUrl" -}}
{{- if contains ":" . }}[{{ . }}]{{ else }}{{ . }}{{ end -}}
{{- end }}

{{/* The largest request or answer of any server: what Envoy must be able to hold for a stream. */}}
{{- define "wicketgate.largest" -}}
{{- $largest := int64 0 -}}
{{- range .Values.config.servers -}}
{{- $limits := default dict .limits -}}
{{- range list (default "1MiB" $limits.request_bytes) (default "16MiB" $limits.response_bytes) -}}
{{- $bytes := include "wicketgate.bytes" . | int64 -}}
{{- if gt $bytes $largest }}{{ $largest = $bytes }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $largest -}}
{{- end }}

{{/* The cluster by which the filter asks the authorization server. */}}
{{- define "wicketgate.calloutCluster" -}}
{{- if eq .Values.mode "standalone" -}}
auth_internal
{{- else if eq .Values.mode "istio" -}}
{{- printf "outbound|9001||%s-internal.%s.svc.%s" (include "wicketgate.fullname" .) .Release.Namespace .Values.clusterDomain -}}
{{- else -}}
{{- default (printf "httproute/%s/%s-callout/rule/0" .Release.Namespace (include "wicketgate.fullname" .)) .Values.envoyGateway.calloutCluster -}}
{{- end -}}
{{- end }}

{{- define "wicketgate.holdHeaders" -}}
{{- if or (eq .Values.mode "standalone") (and (eq .Values.mode "istio") .Values.istio.holdHeaders) (and (eq .Values.mode "envoyGateway") .Values.envoyGateway.patchPolicy) }}true{{ end -}}
{{- end }}

{{/* The filter's policy, as JSON. */}}
{{- define "wicketgate.policy" -}}
{{- $root := . -}}
{{- $cluster := include "wicketgate.calloutCluster" . -}}
{{- $issuers := .Values.config.issuers -}}
{{- if .Values.authorizationServer.enabled -}}
{{- $signing := default dict .Values.config.authorizationServer.signing -}}
{{- $own := dict "issuer" .Values.config.url "algorithms" (list (default "ES256" $signing.algorithm)) "jwks" (dict "cluster" $cluster "path" "/v1/jwks") "validate" (dict "cluster" $cluster "path" "/v1/validate") "revocations" (dict "cluster" $cluster "path" "/v1/feed") -}}
{{- $issuers = prepend $issuers $own -}}
{{- end -}}
{{- $servers := list -}}
{{- range .Values.config.servers -}}
{{- $server := omit . "host" "path" "upstream" "resource" -}}
{{- $_ := set $server "url" (include "wicketgate.serverUrl" (dict "root" $root "server" .)) -}}
{{- /* Both must mean the same server: what another route leads here is refused. */ -}}
{{- if eq $root.Values.mode "standalone" }}{{ $_ := set $server "match" (dict "routes" (list (printf "mcp_%s" .name))) }}{{ end -}}
{{- $servers = append $servers $server -}}
{{- end -}}
{{- $policy := dict "version" 1 "hold_headers" (eq (include "wicketgate.holdHeaders" .) "true") "issuers" $issuers "servers" $servers -}}
{{- if and .Values.authorizationServer.enabled (contains "\"across\":\"fleet\"" (toJson $servers)) -}}
{{- $_ := set $policy "leases" (dict "cluster" $cluster "path" "/v1/leases") -}}
{{- end -}}
{{- merge (deepCopy .Values.config.policy) $policy | toJson -}}
{{- end }}

{{/* What the authorization server may grant for a server, as JSON: what `resource` says, else the scopes that its rules name. */}}
{{- define "wicketgate.resource" -}}
{{- $own := default dict .server.resource -}}
{{- $scopes := default list .server.scopes -}}
{{- range .server.rules -}}
{{- range list .allow .delegable -}}
{{- $rule := default dict . -}}
{{- if kindIs "map" $rule.who }}{{ $scopes = concat $scopes (default list $rule.who.scopes) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $resource := dict "url" (include "wicketgate.serverUrl" .) "scopes" (uniq $scopes) -}}
{{- if and .server.scopes (not (hasKey $own "scopes")) }}{{ $_ := set $resource "default_scopes" .server.scopes }}{{ end -}}
{{- /* Not `merge`, to which an empty list is as good as none. */}}
{{- range $key, $value := $own }}{{ $_ := set $resource $key $value }}{{ end -}}
{{- $resource | toJson -}}
{{- end }}

{{/* The authorization server's configuration, as JSON. */}}
{{- define "wicketgate.authorizationServer" -}}
{{- $root := . -}}
{{- $alone := ne .Values.mode "standalone" -}}
{{- $address := .Values.listenAddress -}}
{{- $address = include "wicketgate.inUrl" $address -}}
{{- /* Beside Envoy in one pod nothing but metrics leaves loopback. */ -}}
{{- $for_gateway := ternary $address "127.0.0.1" $alone -}}
{{- $listen := dict "public" (printf "%s:9000" $for_gateway) "internal" (printf "%s:9001" $for_gateway) "admin" "127.0.0.1:9002" "metrics" (printf "%s:9003" $address) -}}
{{- if include "wicketgate.eg.tls" . -}}
{{- $tls := dict "certificate" "/etc/wicketgate/tls/tls.crt" "key" "/etc/wicketgate/tls/tls.key" -}}
{{- with .Values.envoyGateway.authorizationServer.tls.client -}}{{- if .existingSecret -}}
{{- $_ := set $tls "clients" (dict "ca" "/etc/wicketgate/tls-clients/ca.crt" "names" .names) -}}
{{- end -}}{{- end -}}
{{- range list "public" "internal" }}{{ $_ := set $listen . (dict "address" (get $listen .) "tls" $tls) }}{{ end -}}
{{- end -}}
{{- $resources := list -}}
{{- range .Values.config.servers }}{{ $resources = append $resources (include "wicketgate.resource" (dict "root" $root "server" .) | fromJson) }}{{ end -}}
{{- $store := dict "embedded" (dict "path" "/var/lib/wicketgate/auth.redb") -}}
{{- with .Values.redis -}}{{- if .existingSecret -}}
{{- $redis := dict "url" (dict "file" "/etc/wicketgate/redis/url") "topology" .topology "prefix" .prefix "timeout_ms" (int .timeoutMilliseconds) -}}
{{- if .master }}{{ $_ := set $redis "master" .master }}{{ end -}}
{{- if .acknowledge }}{{ $_ := set $redis "replicas" (dict "acknowledge" (int .acknowledge)) }}{{ end -}}
{{- if .tls.caSecret }}{{ $_ := set $redis "tls" (dict "ca" "/etc/wicketgate/redis-ca/ca.crt") }}{{ end -}}
{{- $store = dict "redis" $redis -}}
{{- end -}}{{- end -}}
{{- $hops := add 1 (int .Values.envoy.trustedHops) -}}
{{- $config := dict "issuer" .Values.config.url "listen" $listen "store" $store "resources" $resources "data_key" (dict "file" "/etc/wicketgate/keys/data.key") "forwarded" (dict "trusted_hops" $hops) -}}
{{- if .Values.authorizationServer.admin.existingSecret }}{{ $_ := set $config "admin" (dict "token" (dict "file" "/etc/wicketgate/admin/token")) }}{{ end -}}
{{- merge $config (deepCopy .Values.config.authorizationServer) | toPrettyJson -}}
{{- end }}

{{/* Paths of the authorization server on the public origin, by the names of the reference configuration's routes. */}}
{{- define "wicketgate.oauthPaths" -}}
exact: [/authorize, /par, /login, /logout, /consent, /account, /token, /revoke, /introspect, /userinfo, /jwks, /device, /device_authorization]
prefix: [/auth, /signin, /callback, /register, /assets]
{{- end }}
