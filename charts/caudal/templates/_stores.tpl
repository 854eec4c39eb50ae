{{/* Whether the release has a Redis of its own: not empty then. */}}
{{- define "caudal.bundledRedis" -}}
{{- if and .Values.redis.bundled (not .Values.controller.only) -}}true{{- end -}}
{{- end }}

{{/* Whether the release has a PostgreSQL of its own: not empty then. */}}
{{- define "caudal.bundledPostgresql" -}}
{{- if and .Values.postgresql.bundled (not .Values.controller.only) -}}true{{- end -}}
{{- end }}

{{/* The Services of the release, as a JSON list. */}}
{{- define "caudal.services" -}}
{{- $name := include "caudal.fullname" . -}}
{{- $services := list (printf "%s-metrics" $name) -}}
{{- if not .Values.controller.only -}}{{- $services = append $services $name -}}{{- end -}}
{{- if include "caudal.bundledRedis" . -}}{{- $services = append $services (printf "%s-redis" $name) -}}{{- end -}}
{{- if include "caudal.bundledPostgresql" . -}}{{- $services = append $services (printf "%s-postgresql" $name) -}}{{- end -}}
{{- toJson $services -}}
{{- end }}

{{/* Whether the release's workers are scaled: not empty then. */}}
{{- define "caudal.autoscaled" -}}
{{- if and .Values.autoscaling.enabled (not .Values.controller.only) -}}true{{- end -}}
{{- end }}

{{/* The Secrets the controller may read in the release's own namespace, as a JSON list. */}}
{{- define "caudal.controllerSecrets" -}}
{{- $names := .Values.controller.secretNames -}}
{{- if include "caudal.bundledRedis" . -}}
{{- $names = append $names (include "caudal.authSecret" .) -}}
{{- else if and (include "caudal.autoscaled" .) .Values.redis.external.passwordKey -}}
{{- $names = append $names .Values.redis.external.existingSecret -}}
{{- end -}}
{{- $names | uniq | toJson -}}
{{- end }}

{{/* Whether there is a cluster to look into: not empty then. Whoever installs may read the first where the namespace is there, and the
     second where they make it. */}}
{{- define "caudal.connected" -}}
{{- if lookup "v1" "ConfigMap" .Release.Namespace "kube-root-ca.crt" -}}
true
{{- else if lookup "v1" "Namespace" "" "default" -}}
true
{{- end -}}
{{- end }}

{{- define "caudal.redisEnv" -}}
- name: CAUDAL_QUEUE
  value: {{ .Values.queue | quote }}
{{- if .Values.redis.bundled }}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "caudal.authSecret" . | quote }}
      key: redis-password
- name: REDIS_URL
  value: redis://:$(REDIS_PASSWORD)@{{ include "caudal.fullname" . }}-redis:6379/0
{{- else }}
- name: REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.redis.external.existingSecret | quote }}
      key: {{ .Values.redis.external.urlKey | quote }}
{{- end }}
{{- end }}

{{/* Where the ledger is. With `optional` a pod starts without the Secret, too. */}}
{{- define "caudal.databaseEnv" -}}
{{- $values := .root.Values -}}
{{- if $values.postgresql.bundled -}}
- name: POSTGRES_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "caudal.authSecret" .root | quote }}
      key: postgres-password
      {{- with .optional }}
      optional: true
      {{- end }}
- name: DATABASE_URL
  value: postgres://caudal:$(POSTGRES_PASSWORD)@{{ include "caudal.fullname" .root }}-postgresql:5432/caudal
{{- else -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ $values.postgresql.external.existingSecret | quote }}
      key: {{ $values.postgresql.external.urlKey | quote }}
      {{- with .optional }}
      optional: true
      {{- end }}
{{- end }}
{{- end }}
