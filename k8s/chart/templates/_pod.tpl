{{/* The pod of the main Deployment: the authorization server, and in mode standalone Envoy beside it. */}}

{{- define "wicketgate.authContainer" -}}
- name: authorization-server
  image: {{ include "wicketgate.image" (dict "root" . "image" .Values.image) }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [serve, --config, /etc/wicketgate/auth/auth.json]
  ports:
    {{- if ne .Values.mode "standalone" }}
    - {name: public, containerPort: 9000}
    - {name: internal, containerPort: 9001}
    {{- end }}
    - {name: auth-metrics, containerPort: 9003}
  env:
    - {name: RUST_LOG, value: {{ .Values.logLevel | quote }}}
    {{- with .Values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  # The admin listener is on loopback: nobody but the pod itself asks it.
  startupProbe: {exec: {command: [/wicketgate-auth, healthcheck, --address, "127.0.0.1:9002"]}, periodSeconds: 2, timeoutSeconds: 5, failureThreshold: 60}
  {{- if eq .Values.mode "standalone" }}
  # Whether it listens, and not whether Redis answers: Envoy is in this pod, and verifies tokens that are out while Redis is away.
  readinessProbe: {tcpSocket: {port: auth-metrics}, periodSeconds: 10}
  {{- else }}
  readinessProbe: {exec: {command: [/wicketgate-auth, healthcheck, --address, "127.0.0.1:9002"]}, periodSeconds: 10, timeoutSeconds: 5}
  {{- end }}
  livenessProbe: {tcpSocket: {port: auth-metrics}, periodSeconds: 10, failureThreshold: 6}
  lifecycle: {preStop: {sleep: {seconds: {{ int .Values.preStopSeconds }}}}}
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: auth-config, mountPath: /etc/wicketgate/auth, readOnly: true}
    - {name: keys, mountPath: /etc/wicketgate/keys, readOnly: true}
    {{- if include "wicketgate.embedded" . }}
    - {name: store, mountPath: /var/lib/wicketgate}
    {{- else }}
    - {name: redis, mountPath: /etc/wicketgate/redis, readOnly: true}
    {{- if .Values.redis.tls.caSecret }}
    - {name: redis-ca, mountPath: /etc/wicketgate/redis-ca, readOnly: true}
    {{- end }}
    {{- end }}
    {{- if include "wicketgate.eg.tls" . }}
    # Whole folders, because a file that is mounted by itself never changes.
    - {name: tls, mountPath: /etc/wicketgate/tls, readOnly: true}
    {{- if .Values.envoyGateway.authorizationServer.tls.client.existingSecret }}
    - {name: tls-clients, mountPath: /etc/wicketgate/tls-clients, readOnly: true}
    {{- end }}
    {{- end }}
    {{- if .Values.authorizationServer.admin.existingSecret }}
    - {name: admin, mountPath: /etc/wicketgate/admin, readOnly: true}
    {{- end }}
    {{- range .Values.secrets }}
    - {name: {{ printf "secret-%s" . | include "wicketgate.named" }}, mountPath: /etc/wicketgate/secrets/{{ . }}, readOnly: true}
    {{- end }}
    {{- with .Values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "wicketgate.authVolumes" -}}
- name: auth-config
  configMap: {name: {{ include "wicketgate.fullname" . }}-auth}
- name: keys
  secret:
    secretName: {{ .Values.keyEncryption.existingSecret | toYaml }}
    items: [{key: {{ .Values.keyEncryption.key | quote }}, path: data.key}]
{{- if include "wicketgate.embedded" . }}
- name: store
  {{- if .Values.persistence.enabled }}
  persistentVolumeClaim: {claimName: {{ default (printf "%s-store" (include "wicketgate.fullname" .)) .Values.persistence.existingClaim | toYaml }}}
  {{- else }}
  emptyDir: {sizeLimit: 1Gi}
  {{- end }}
{{- else }}
- name: redis
  secret:
    secretName: {{ .Values.redis.existingSecret | toYaml }}
    items: [{key: {{ .Values.redis.urlKey | quote }}, path: url}]
{{- with .Values.redis.tls.caSecret }}
- name: redis-ca
  secret: {secretName: {{ toYaml . }}, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}
{{- end }}
{{- if include "wicketgate.eg.tls" . }}
{{- with .Values.envoyGateway.authorizationServer.tls }}
- name: tls
  secret: {secretName: {{ toYaml .existingSecret }}}
{{- if .client.existingSecret }}
- name: tls-clients
  configMap: {name: {{ default .caConfigMap .client.caConfigMap | toYaml }}}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.authorizationServer.admin }}
{{- if .existingSecret }}
- name: admin
  secret: {secretName: {{ .existingSecret | toYaml }}, items: [{key: {{ .key | quote }}, path: token}]}
{{- end }}
{{- end }}
{{- range .Values.secrets }}
- name: {{ printf "secret-%s" . | include "wicketgate.named" }}
  secret: {secretName: {{ toYaml . }}}
{{- end }}
{{- end }}

{{- define "wicketgate.envoyContainer" -}}
{{- $first := first .Values.config.servers -}}
{{- $host := include "wicketgate.serverHost" (dict "root" . "server" $first) -}}
- name: envoy
  image: {{ include "wicketgate.image" (dict "root" . "image" .Values.envoy.image) }}
  imagePullPolicy: {{ .Values.envoy.image.pullPolicy }}
  args: [--config-path, /etc/envoy/envoy.yaml, --concurrency, {{ .Values.envoy.concurrency | quote }}, --log-level, {{ .Values.envoy.logLevel | toYaml }}, --disable-hot-restart]
  ports:
    - {name: public, containerPort: 8080}
    - {name: operations, containerPort: 9902}
  # Answered by the filter alone: an Envoy whose filter has refused its policy gets no traffic.
  startupProbe:
    httpGet:
      path: /.well-known/oauth-protected-resource{{ $first.path }}
      port: public
      scheme: {{ ternary "HTTPS" "HTTP" (not (empty .Values.envoy.tls.existingSecret)) }}
      httpHeaders: [{name: Host, value: {{ $host | quote }}}]
    periodSeconds: 2
    timeoutSeconds: 2
    failureThreshold: 60
  readinessProbe: {httpGet: {path: /ready, port: operations}, periodSeconds: 5, timeoutSeconds: 2}
  livenessProbe: {httpGet: {path: /livez, port: operations}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6}
  lifecycle: {preStop: {sleep: {seconds: {{ int .Values.preStopSeconds }}}}}
  resources:
    {{- toYaml .Values.envoy.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: envoy-config, mountPath: /etc/envoy, readOnly: true}
    # Whole folders, because a file that is mounted by itself never changes.
    - {name: filter, mountPath: /etc/wicketgate/filter, readOnly: true}
    - {name: module, mountPath: /var/lib/wicketgate-module, readOnly: true}
    {{- if .Values.envoy.tls.existingSecret }}
    - {name: tls, mountPath: /etc/wicketgate/tls, readOnly: true}
    {{- end }}
    {{- with .Values.envoy.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "wicketgate.envoyVolumes" -}}
- name: envoy-config
  configMap: {name: {{ include "wicketgate.fullname" . }}-envoy}
- name: filter
  configMap: {name: {{ include "wicketgate.fullname" . }}-filter}
- name: module
  emptyDir: {sizeLimit: 16Mi}
{{- with .Values.envoy.tls.existingSecret }}
- name: tls
  secret: {secretName: {{ toYaml . }}}
{{- end }}
{{- end }}

{{- define "wicketgate.pod" -}}
{{- $standalone := eq .Values.mode "standalone" -}}
{{- $several := include "wicketgate.several" . -}}
{{- with concat .Values.global.imagePullSecrets .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
serviceAccountName: {{ include "wicketgate.serviceAccountName" . | toYaml }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
terminationGracePeriodSeconds: {{ int .Values.terminationGracePeriodSeconds }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ toYaml . }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ toYaml . }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- include "wicketgate.nodes" . }}
{{- if .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml .Values.topologySpreadConstraints | nindent 2 }}
{{- else if $several }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "wicketgate.selectorLabels" $ | nindent 8 }}
        app.kubernetes.io/component: {{ include "wicketgate.component" $ }}
  {{- end }}
{{- end }}
{{- if $standalone }}
initContainers:
  # The module out of its image, where Envoy finds it.
  - name: module
    image: {{ include "wicketgate.image" (dict "root" . "image" .Values.wasm.image) }}
    imagePullPolicy: {{ .Values.wasm.image.pullPolicy }}
    command: [/wicketgate-pod, copy, /plugin.wasm, /var/lib/wicketgate-module/plugin.wasm]
    resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 64Mi}}
    securityContext:
      {{- toYaml .Values.securityContext | nindent 6 }}
    volumeMounts: [{name: module, mountPath: /var/lib/wicketgate-module}]
{{- end }}
containers:
  {{- if $standalone }}
  {{- include "wicketgate.envoyContainer" . | nindent 2 }}
  {{- end }}
  {{- if .Values.authorizationServer.enabled }}
  {{- include "wicketgate.authContainer" . | nindent 2 }}
  {{- end }}
  {{- with .Values.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumes:
  {{- if $standalone }}
  {{- include "wicketgate.envoyVolumes" . | nindent 2 }}
  {{- end }}
  {{- if .Values.authorizationServer.enabled }}
  {{- include "wicketgate.authVolumes" . | nindent 2 }}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* On which nodes: what holds for every pod of the chart. */}}
{{- define "wicketgate.nodes" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
