# The studio in a container, on a CPU. Its address, with the token that keeps strangers out, is what it prints:
#   docker build -t nst . && docker run --rm -p 127.0.0.1:8484:8484 -v nst:/data nst
# Any other command:
#   docker run --rm -v "$PWD:/work" nst stylize photo.jpg painting.jpg -o out.png
# docs/install.md has the rest: another name (--allow-host), a path behind a proxy (--base-path), a Hugging Face Space.
FROM python:3.12-slim AS build
ARG EXTRAS=protect,web
COPY . /src
# onnxruntime rather than nst[onnx], which brings the build for GPUs, ten times as large
RUN python -m venv /nst && /nst/bin/pip install --no-cache-dir --constraint /src/constraints.txt onnx onnxruntime "/src[$EXTRAS]"

FROM python:3.12-slim
COPY --from=build /nst /nst
RUN useradd --create-home --uid 1000 painter && mkdir /data /work && chown painter /data /work
ENV PATH=/nst/bin:$PATH NST_HOME=/data
USER painter
WORKDIR /work
VOLUME /data
EXPOSE 8484
ENTRYPOINT ["nst"]
CMD ["web", "--host", "0.0.0.0"]
