{{/* Names, labels, images: what every object has. */}}

{{/* At most 40 characters, so that every suffix fits into 63; a longer one is cut and made its own by a digest. Of the form that names of
Services have, where releases may have dots and begin with a digit. */}}
{{- define "wicketgate.fullname" -}}
{{- $chart := default .Chart.Name .Values.nameOverride -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $name = ternary .Release.Name (printf "%s-%s" .Release.Name $chart) (contains $chart .Release.Name) -}}
{{- end -}}
{{- $name = regexReplaceAll "[^a-z0-9-]+" (lower $name) "-" | trimAll "-" -}}
{{- if not (regexMatch "^[a-z]" $name) }}{{ $name = printf "w-%s" $name }}{{ end -}}
{{- if gt (len $name) 40 -}}
{{- printf "%s-%s" (trunc 33 $name | trimSuffix "-") (sha256sum $name | trunc 6) -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end }}

{{/* A name made of others, as it stands where it is one, else cut and made its own by a digest of it. */}}
{{- define "wicketgate.named" -}}
{{- $name := replace "." "-" . -}}
{{- if or (ne $name .) (gt (len $name) 63) -}}
{{- printf "%s-%s" (trunc 56 $name | trimSuffix "-") (sha256sum . | trunc 6) -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end }}

{{- define "wicketgate.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" | toYaml }}
app.kubernetes.io/instance: {{ .Release.Name | toYaml }}
{{- end }}

{{/* Labels of an object: (dict "root" $ "component" "…" "labels" dict). */}}
{{- define "wicketgate.labels" -}}
{{- include "wicketgate.selectorLabels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- $own := mergeOverwrite (dict) .root.Values.commonLabels (default dict .labels) }}
app.kubernetes.io/part-of: {{ default "wicketgate" (get $own "app.kubernetes.io/part-of") | toYaml }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_") | trunc 63 | trimSuffix "-" }}
{{- with omit $own "app.kubernetes.io/part-of" }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The beginning of an object: (dict "root" $ "component" "…" "name" "…" "namespace" "…" "annotations" dict "labels" dict). */}}
{{- define "wicketgate.metadata" -}}
name: {{ .name | toYaml }}
namespace: {{ default .root.Release.Namespace .namespace | toYaml }}
labels:
  {{- include "wicketgate.labels" . | nindent 2 }}
{{- with merge (dict) (default dict .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* (dict "root" $ "image" .Values.image "tag" "default tag"), without a scheme. */}}
{{- define "wicketgate.image" -}}
{{- $registry := default .image.registry .root.Values.global.imageRegistry -}}
{{- $name := .image.repository -}}
{{- if $registry }}{{ $name = printf "%s/%s" (trimSuffix "/" $registry) $name }}{{ end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end }}

{{- define "wicketgate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "wicketgate.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* What decides how many there are: whether the store is a file, which one process has. */}}
{{- define "wicketgate.embedded" -}}
{{- if and .Values.authorizationServer.enabled (not .Values.redis.existingSecret) }}true{{ end -}}
{{- end }}

{{- define "wicketgate.several" -}}
{{- if or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) }}true{{ end -}}
{{- end }}

{{/* Whether there are pods of ours: in a mesh, without the authorization server, there are none. */}}
{{- define "wicketgate.pods" -}}
{{- if or (eq .Values.mode "standalone") .Values.authorizationServer.enabled }}true{{ end -}}
{{- end }}

{{/* Whether what the filter lets through goes on to MCP servers. Where a gateway that runs already would have the routes before it has the filter,
only if that is said. */}}
{{- define "wicketgate.routesOpen" -}}
{{- $said := .Values.routes.enabled -}}
{{- if kindIs "bool" $said -}}
{{- if $said }}true{{ end -}}
{{- else if eq .Values.mode "istio" -}}
{{- if and .Values.istio.holdHeaders .Values.istio.gateway.create }}true{{ end -}}
{{- else if eq .Values.mode "envoyGateway" -}}
{{- if .Values.envoyGateway.gateway.create }}true{{ end -}}
{{- else -}}
true
{{- end -}}
{{- end }}

{{/* The component of the main pods. */}}
{{- define "wicketgate.component" -}}
{{- if eq .Values.mode "standalone" }}gateway{{ else }}authorization-server{{ end -}}
{{- end }}

{{/* Bytes of a size of the policy: a number, or a text such as 64KiB or 1MiB. */}}
{{- define "wicketgate.bytes" -}}
{{- $text := toString . -}}
{{- if hasSuffix "KiB" $text -}}{{ mul (trimSuffix "KiB" $text | int64) 1024 }}
{{- else if hasSuffix "MiB" $text -}}{{ mul (trimSuffix "MiB" $text | int64) 1048576 }}
{{- else if hasSuffix "GiB" $text -}}{{ mul (trimSuffix "GiB" $text | int64) 1073741824 }}
{{- else if hasSuffix "B" $text -}}{{ trimSuffix "B" $text | int64 }}
{{- else -}}{{ . | int64 }}
{{- end -}}
{{- end }}
