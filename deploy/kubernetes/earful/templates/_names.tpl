{{/* What everything is called: the release's name, with the chart's unless that is in it already. */}}
{{- define "earful.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "earful.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "earful.labels" -}}
{{ include "earful.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* A variable out of a Secret: one that is there, or the chart's own. */}}
{{- define "earful.kept" -}}
{{- if or .kept.existingSecret .kept.value }}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef:
      name: {{ .kept.existingSecret | default .own }}
      key: {{ empty .kept.existingSecret | ternary .key .kept.key }}
{{- end }}
{{- end }}

{{/* Access control as variables: its options, and among them where the file is mounted. */}}
{{- define "earful.auth" -}}
{{- $file := printf "/etc/earful/auth/%s" .key }}
{{- $option := eq .mode "static" | ternary "file" .jwtFile }}
- {name: EARFUL_AUTH, value: {{ .mode }}}
- name: EARFUL_AUTH_OPTIONS
  value: {{ merge (dict $option $file) .options | toJson | quote }}
{{- end }}
