# Completes python -m experiments.NAME in bash. FLAGS and NAMES are filled in.

_jaxgan_flags() {
  case $1 in
FLAGS
  esac
}

_jaxgan() {
  local line=${COMP_LINE:0:COMP_POINT} module='-m[[:space:]]+experiments\.([a-z_]*)'
  local within="$module[[:space:]](.*[[:space:]])?"
  COMPREPLY=()
  if [[ $line =~ $module$ ]]; then
    COMPREPLY=($(compgen -P experiments. -W "NAMES" -- "${BASH_REMATCH[1]}"))
  elif [[ $line =~ $within(--[a-z_]*)$ ]]; then
    local names
    names=$(_jaxgan_flags "${BASH_REMATCH[1]}" | cut -d' ' -f1)
    COMPREPLY=($(compgen -W "$names" -- "${BASH_REMATCH[3]}"))
    [[ ${COMPREPLY-} == *= ]] && compopt -o nospace
  elif [[ $line =~ $within(--[a-z_]+=)([^[:space:]]*)$ ]]; then
    local given=${BASH_REMATCH[4]} before= values
    [[ $given == *,* ]] && before=${given%,*},
    values=$(_jaxgan_flags "${BASH_REMATCH[1]}" | grep -e "^${BASH_REMATCH[3]} " | cut -d' ' -f2-)
    COMPREPLY=($(compgen -P "$before" -W "$values" -- "${given##*,}"))
  fi
}

complete -o default -o bashdefault -F _jaxgan python python3
