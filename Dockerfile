# One image for web, worker, relay and the one-shot commands. See docs/operator/containers.md.

# The base without what only building needs: a running container has no pip and no program that changes its user.
FROM python:3.13-slim AS system
RUN rm -rf $(python -c 'import ensurepip, pip; print(*pip.__path__, *ensurepip.__path__)') \
    /var/cache/* /var/lib/apt/lists/* /var/log/* /usr/share/doc /usr/share/info /usr/share/locale /usr/share/man \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
 && echo 'comity:x:10001:10001::/nonexistent:/usr/sbin/nologin' >>/etc/passwd \
 && echo 'comity:x:10001:' >>/etc/group

FROM python:3.13-slim AS packages
ARG TIER2=
COPY requirements-serve.txt requirements-tier2.txt /
RUN python -m venv --without-pip /opt/comity \
 && python -m pip --python /opt/comity/bin/python install --no-cache-dir --disable-pip-version-check --no-compile \
    --require-hashes --no-deps --only-binary :all: -r /requirements-serve.txt ${TIER2:+-r /requirements-tier2.txt} \
 && find /opt/comity -type d -name tests -prune -exec rm -r {} + \
 && /opt/comity/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/comity

FROM packages AS code
WORKDIR /srv/comity
COPY LICENSE ./
COPY classifier classifier/
COPY service service/
COPY workers workers/
RUN /opt/comity/bin/python -m compileall -q --invalidation-mode unchecked-hash . \
 && /opt/comity/bin/python -c "import service.wsgi, service.server, service.setup, workers.tasks, workers.relay"

FROM scratch
LABEL org.opencontainers.image.title="Comity" \
      org.opencontainers.image.description="Self-hosted moderation of comments" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="0.6.0"
COPY --from=system / /
COPY --from=packages /opt/comity /opt/comity
COPY --from=code /srv/comity /srv/comity
WORKDIR /srv/comity
ENV PATH=/opt/comity/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1 \
    MALLOC_ARENA_MAX=2 \
    COMITY_HOST=0.0.0.0 \
    COMITY_BEAT=/tmp/beat
USER 10001:10001
ENTRYPOINT ["python", "-m", "service"]
CMD ["web"]
