{{/* The longest name made from it is a StatefulSet's: its pods carry an 11-character hash more in a label of at most 63. */}}
{{- define "caudal.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- $full = default $full .Values.fullnameOverride | replace "." "-" -}}
{{- if gt (len $full) 40 -}}
{{- $full = printf "%s-%s" ($full | trunc 33 | trimSuffix "-") ($full | sha256sum | trunc 6) -}}
{{- end -}}
{{- $full -}}
{{- end }}

{{- define "caudal.selectorLabels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 | trimSuffix "-" | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "caudal.labels" -}}
{{ include "caudal.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "caudal.image" -}}
{{- $tag := .image.tag | default .root.Chart.AppVersion -}}
{{ .image.registry }}/{{ .image.repository }}{{ if .image.digest }}@{{ .image.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{- define "caudal.serviceAccountName" -}}
{{- .Values.controller.serviceAccount.name | default (printf "%s-controller" (include "caudal.fullname" .)) -}}
{{- end }}

{{- define "caudal.authSecret" -}}
{{- .Values.auth.existingSecret | default (printf "%s-auth" (include "caudal.fullname" .)) -}}
{{- end }}

{{/* How the controller is called in its Lease and in the label of its QueueScalers. Every namespace's own Lease is called caudal-controller. */}}
{{- define "caudal.controllerName" -}}
{{- eq .Release.Name "caudal-controller" | ternary "caudal-controller-release" .Release.Name -}}
{{- end }}

{{/* The namespaces the controller looks after, as a JSON list: the release's own first. */}}
{{- define "caudal.namespaces" -}}
{{- concat (list .Release.Namespace) .Values.controller.watchNamespaces | uniq | toJson -}}
{{- end }}
