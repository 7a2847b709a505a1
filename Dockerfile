# docker build -t gan_cli .                                    # torch for CPUs
# docker build -t gan_cli --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .   # for CUDA 13.0
# docker run --rm -v "$PWD/outputs:/work/outputs" gan_cli dataset=ring8
# docker run --rm --gpus all --ipc=host -v "$PWD/outputs:/work/outputs" -v "$PWD/data:/data" gan_cli dataset=mnist
FROM python:3.12-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    GAN_DATA=/data

WORKDIR /build
COPY constraints.txt ./
# A layer of its own: torch is most of the image, and changes rarely.
RUN python -m pip install --quiet -c constraints.txt --extra-index-url "${TORCH_INDEX}" torch
COPY pyproject.toml README.md LICENSE ./
COPY conf conf
COPY gan_cli gan_cli
RUN python -m pip install --quiet -c constraints.txt --extra-index-url "${TORCH_INDEX}" ".[export,text]"

# A mounted folder belongs to somebody on the host: `docker run --user "$(id -u)"` writes there as that user.
RUN useradd --create-home --uid 1000 gan \
    && install -d -o gan -g gan -m 1777 /work /work/outputs /data
USER 1000
WORKDIR /work
VOLUME ["/work/outputs", "/data"]
ENTRYPOINT ["gan-train"]
