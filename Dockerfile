# The mock CA and the printer in one image:
#
#   docker build -t mfp-sim .
#   docker run --rm -p 127.0.0.1:8080:8080 mfp-sim                     the mock CA
#   docker run --rm mfp-sim mfp-sim run scenarios                      any other command
#
# EXTRAS adds optional parts: docker build --build-arg EXTRAS='[load]' -t mfp-sim:load .
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY mfp_sim mfp_sim
COPY mock_scep_server mock_scep_server
COPY scenarios scenarios
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /dist .

FROM python:3.12-slim
ARG EXTRAS=""
COPY --from=build /dist /dist
RUN pip install --no-cache-dir "$(ls /dist/*.whl)${EXTRAS}" \
 && useradd --uid 10001 --create-home --home-dir /mfp mfp
USER 10001
WORKDIR /mfp
ENV PYTHONUNBUFFERED=1
EXPOSE 8000 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
  CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/scep?operation=GetCACaps', timeout=4)"]
CMD ["mock-scep-server", "--host", "0.0.0.0", "--port", "8080"]
